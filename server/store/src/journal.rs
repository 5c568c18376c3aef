//! The journal: operations that were begun and not finished. After a crash each is resumed or undone.

use rusqlite::{Connection, params};

use crate::{Store, StoreError};

/// An operation that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its row.
    pub id: i64,
    /// What, such as `create`.
    pub operation: String,
    /// On what.
    pub object: String,
    /// The task that began it.
    pub task: String,
    /// More, as the operation needs it.
    pub payload: String,
}

pub(crate) fn insert(
    connection: &Connection,
    operation: &str,
    object: &str,
    task: &str,
    payload: &str,
) -> Result<i64, StoreError> {
    let sql = "INSERT INTO journal (operation, object, task, payload) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, params![operation, object, task, payload])?;
    Ok(connection.last_insert_rowid())
}

impl Store {
    /// Commits an intent.
    ///
    /// # Errors
    /// When the database refuses; then nothing may be begun.
    pub fn begin_journal(
        &self,
        operation: &str,
        object: &str,
        task: &str,
        payload: &str,
    ) -> Result<i64, StoreError> {
        insert(&self.lock(), operation, object, task, payload)
    }

    /// The operation is finished or undone.
    ///
    /// # Errors
    /// When the database refuses; it will then be looked at again after a restart.
    pub fn finish_journal(&self, id: i64) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM journal WHERE id = ?1", [id])?;
        Ok(())
    }

    /// All that is open, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_journal(&self) -> Result<Vec<JournalEntry>, StoreError> {
        let connection = self.lock();
        let mut query =
            connection.prepare("SELECT id, operation, object, task, payload FROM journal ORDER BY id")?;
        let rows = query.query_map([], |r| {
            let (id, operation, object, task, payload) =
                (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?);
            Ok(JournalEntry { id, operation, object, task, payload })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_entry_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        let id = Store::open(&path).unwrap().begin_journal("destroy", "100", "t", "").unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(store.list_journal().unwrap()[0].operation, "destroy");
        store.finish_journal(id).unwrap();
        assert!(store.list_journal().unwrap().is_empty());
    }
}
