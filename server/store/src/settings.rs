//! Values of this node by key: the chosen subnet, counters, the setup code's hash.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::{Store, StoreError};

fn find(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM settings WHERE key = ?1";
    Ok(connection.query_row(sql, [key], |r| r.get(0)).optional()?)
}

impl Store {
    /// A value from the file of an engine that may be running; `None` also without a file. Nothing is written.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn peek_setting(path: &Path, key: &str) -> Result<Option<String>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        find(&connection, key)
    }

    /// A value, if it was ever set.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        find(&self.lock(), key)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_be_peeked_at_beside_an_open_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        assert_eq!(Store::peek_setting(&path, "subnet").unwrap(), None);
        assert!(!path.exists());
        let store = Store::open(&path).unwrap();
        store.set_setting("subnet", Some("10.77.0.1/24")).unwrap();
        let peek = || Store::peek_setting(&path, "subnet").unwrap();
        assert_eq!(peek().as_deref(), Some("10.77.0.1/24"));
        drop(store);
        assert_eq!(peek().as_deref(), Some("10.77.0.1/24"));
    }
}
