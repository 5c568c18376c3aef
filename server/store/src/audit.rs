//! The audit log: append-only, the schema refuses anything else.

use rusqlite::params;

use crate::{Store, StoreError};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Unix seconds.
    pub time: i64,
    /// Who; may be a name that failed to log in.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
    /// `ok`, `denied` or `failed`.
    pub result: String,
}

impl Store {
    /// Adds a line.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_audit(&self, row: &AuditRow) -> Result<(), StoreError> {
        let AuditRow { time, actor, address, action, object, result } = row;
        let sql = "INSERT INTO audit (time, actor, address, action, object, result) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.lock().execute(sql, params![time, actor, address, action, object, result])?;
        Ok(())
    }

    /// The newest lines.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let connection = self.lock();
        let sql = "SELECT time, actor, address, action, object, result FROM audit ORDER BY id DESC LIMIT ?1";
        let mut query = connection.prepare(sql)?;
        let rows = query.query_map([limit], |r| {
            let (time, actor, address, action) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
            Ok(AuditRow { time, actor, address, action, object: r.get(4)?, result: r.get(5)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_neither_changed_nor_removed() {
        let store = Store::in_memory().unwrap();
        let row = AuditRow {
            time: 1,
            actor: "root@pam".into(),
            address: None,
            action: "StartContainer".into(),
            object: "100".into(),
            result: "ok".into(),
        };
        store.append_audit(&row).unwrap();
        let replace = "INSERT OR REPLACE INTO audit VALUES (1, 2, 'x', NULL, 'x', 'x', 'x')";
        for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", replace] {
            assert!(store.lock().execute(sql, []).is_err(), "{sql}");
        }
        assert_eq!(store.list_audit(10).unwrap(), [row]);
    }
}
