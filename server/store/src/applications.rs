//! What is remembered of a container's application: sealed secrets, and changes of its health.

use model::{Vmid, health::HealthChange};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError};

/// Changes that are kept of one container.
const CHANGES_MAX: u32 = 100;

/// A secret by its name, sealed.
pub type SealedSecrets = [(String, String)];

/// Within the transaction that makes the container.
pub(crate) fn insert_secrets(c: &Connection, vmid: Vmid, secrets: &SealedSecrets) -> Result<(), StoreError> {
    for (name, sealed) in secrets {
        c.execute("INSERT INTO secrets VALUES (?1, ?2, ?3)", params![vmid.get(), name, sealed])?;
    }
    Ok(())
}

impl Store {
    /// A secret, sealed.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_secret(&self, vmid: Vmid, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT sealed FROM secrets WHERE vmid = ?1 AND name = ?2";
        Ok(self.lock().query_row(sql, params![vmid.get(), name], |r| r.get(0)).optional()?)
    }

    /// Remembers a change of health; the oldest go.
    ///
    /// # Errors
    /// When the database refuses, or the container is gone.
    pub fn add_health(&self, vmid: Vmid, change: &HealthChange) -> Result<(), StoreError> {
        let json = serde_json::to_string(change)?;
        let c = self.lock();
        c.execute("INSERT INTO health (vmid, change) VALUES (?1, ?2)", params![vmid.get(), json])?;
        let sql = "DELETE FROM health WHERE vmid = ?1 AND id <= \
            (SELECT id FROM health WHERE vmid = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        c.execute(sql, params![vmid.get(), CHANGES_MAX])?;
        Ok(())
    }

    /// Changes of health, newest first.
    ///
    /// # Errors
    /// When the database refuses or a row is not understood.
    pub fn list_health(&self, vmid: Vmid, limit: u32) -> Result<Vec<HealthChange>, StoreError> {
        let c = self.lock();
        let mut query =
            c.prepare_cached("SELECT change FROM health WHERE vmid = ?1 ORDER BY id DESC LIMIT ?2")?;
        let rows = query.query_map(params![vmid.get(), limit], |r| r.get::<_, String>(0))?;
        rows.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::health::HealthState;

    use crate::containers::tests::{config, store};

    use super::*;

    #[test]
    fn secrets_and_health_go_with_their_container_and_history_is_bounded() {
        let store = store();
        let secrets = [("password".to_owned(), "sealed".to_owned())];
        store.insert_container(&config(100, "web"), &secrets, "u", "t").unwrap();
        let vmid = "100".parse().unwrap();
        assert_eq!(store.find_secret(vmid, "password").unwrap().as_deref(), Some("sealed"));
        assert_eq!(store.find_secret(vmid, "other").unwrap(), None);
        for at in 0..150 {
            let change = HealthChange { at, state: HealthState::Healthy, detail: "200".into() };
            store.add_health(vmid, &change).unwrap();
        }
        let all = store.list_health(vmid, 1000).unwrap();
        assert_eq!((all.len(), all[0].at), (100, 149));
        store.delete_container(vmid).unwrap();
        assert_eq!(store.find_secret(vmid, "password").unwrap(), None);
        assert!(store.list_health(vmid, 10).unwrap().is_empty());
    }
}
