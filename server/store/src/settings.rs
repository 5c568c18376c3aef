//! Values of this node by key: the chosen subnet, counters, the setup code's hash.

use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

impl Store {
    /// A value, if it was ever set.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .lock()
            .query_row("SELECT value FROM settings WHERE key = ?1", [key], |r| r.get(0))
            .optional()?)
    }

    /// Sets a value; `None` removes it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let connection = self.lock();
        match value {
            Some(value) => connection.execute(
                "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
                params![key, value],
            )?,
            None => connection.execute("DELETE FROM settings WHERE key = ?1", [key])?,
        };
        Ok(())
    }
}
