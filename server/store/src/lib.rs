//! The database: schema, migrations, queries; SQLite in WAL mode with full sync.
//!
//! It decides nothing and reads no clock: times come in as Unix seconds. What a whole cluster would
//! share (containers as decided, templates, users) lies in other tables than what one node owns
//! (state, tasks, sessions, audit). One file per subject, all methods on [`Store`].

mod access;
mod applications;
mod audit;
mod containers;
mod journal;
mod schema;
mod settings;
mod sources;
mod tasks;
mod templates;

use std::{
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::refusal::Thing;
use rusqlite::Connection;
use thiserror::Error;

pub use access::{SessionRow, UserRow};
pub use applications::SealedSecrets;
pub use audit::AuditRow;
pub use containers::ContainerRow;
pub use journal::JournalEntry;
pub use sources::SourceRow;

/// The open database.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
}

/// A query or the opening failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be made or opened.
    #[error("cannot open the database {0}")]
    Open(std::path::PathBuf, #[source] std::io::Error),
    /// Its content is damaged.
    #[error("the database is damaged ({0}): put back a copy; it was not touched")]
    Damaged(String),
    /// It was written by a newer version.
    #[error("the database has schema {found}, this kiste knows {known}: install the newer version again")]
    TooNew {
        /// Its schema.
        found: usize,
        /// The newest schema that is known here.
        known: usize,
    },
    /// A migration failed and was rolled back.
    #[error("the database could not be brought up to this version of kiste; it is as it was")]
    Migration(#[source] rusqlite_migration::Error),
    /// SQLite.
    #[error("the database refused")]
    Sql(#[from] rusqlite::Error),
    /// A row holds what this version does not understand.
    #[error("a row of the database is not understood")]
    Row(#[from] serde_json::Error),
    /// A value that must be unique is taken.
    #[error("{what} {given} is taken")]
    Taken {
        /// What it is.
        what: Thing,
        /// Its value.
        given: String,
    },
    /// There is a first administrator already.
    #[error("there is an administrator already")]
    HasAdministrator,
    /// A template was removed or replaced since it was read.
    #[error("the container template {0} was removed or replaced meanwhile: try again")]
    TemplateGone(model::TemplateName),
    /// The row was changed since it was read.
    #[error("it was changed meanwhile: load it again")]
    Stale,
    /// There is no such row.
    #[error("there is no such row")]
    Absent,
}

impl Store {
    /// Opens the file, making it with mode 0600, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] when it is damaged, too new or cannot be written; it is never replaced.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| StoreError::Open(path.to_owned(), e))?;
        Self::prepare(Connection::open(path)?, Some(path))
    }

    /// A database that is gone when it is dropped, for tests.
    ///
    /// # Errors
    /// When SQLite cannot make one.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?, None)
    }

    fn prepare(mut connection: Connection, path: Option<&Path>) -> Result<Self, StoreError> {
        let check: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|e| StoreError::Damaged(e.to_string()))?;
        if check != "ok" {
            return Err(StoreError::Damaged(check));
        }
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Else REPLACE would get past the trigger that keeps the audit log append-only.
        connection.pragma_update(None, "recursive_triggers", true)?;
        schema::bring_up_to_date(&mut connection, path, schema::MIGRATIONS)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// A panic in another thread left no half-done transaction: SQLite rolled it back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Several queries as one: all or nothing.
    fn transaction<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// As [`Store::transaction`], but what it writes may be lost when the machine loses power: for what
    /// comes often and matters little. It is on disk with the next full commit at the latest.
    fn relaxed_transaction<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let result = (|| {
            let transaction = connection.transaction()?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        connection.pragma_update(None, "synchronous", "FULL")?;
        result
    }
}

/// Names the column of a failed uniqueness check, as the operator knows it.
fn taken(error: rusqlite::Error, config: &model::ContainerConfig) -> StoreError {
    let rusqlite::Error::SqliteFailure(_, Some(text)) = &error else { return error.into() };
    let address = config.nic.as_ref().map(|n| (n.mac, n.own_address()));
    let (what, given) = match (text.rsplit('.').next(), address) {
        (Some("vmid"), _) => (Thing::Vmid, config.vmid.to_string()),
        (Some("name"), _) => (Thing::Name, config.name.to_string()),
        (Some("id_slot"), _) => (Thing::IdBlock, config.id_slot.to_string()),
        (Some("mac"), Some((mac, _))) => (Thing::Mac, mac.to_string()),
        (Some("address"), Some((_, Some(address)))) => (Thing::Address, address.to_string()),
        _ => return error.into(),
    };
    StoreError::Taken { what, given }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 8192]);
    }

    #[test]
    fn a_broken_page_is_found_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        drop(Store::open(&path).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn the_file_is_for_its_owner_only_and_commits_are_synced() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("kiste.db")).unwrap();
        store.relaxed_transaction(|_| Ok(())).unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
        let pragma = |name: &str| -> i64 {
            store.lock().query_row(&format!("PRAGMA {name}"), [], |r| r.get(0)).unwrap()
        };
        // 2 is FULL.
        assert_eq!(["synchronous", "foreign_keys"].map(pragma), [2, 1]);
    }
}
