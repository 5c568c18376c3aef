//! The schema's versions: which one a file has, and how it is brought up to date.
//!
//! A file is copied before it is changed; one that a newer version has written is never touched.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::StoreError;

/// All versions, oldest first. What was released is never changed, only followed by another.
pub(crate) const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../migrations/0001.sql")),
    M::up(include_str!("../migrations/0002.sql")),
    M::up(include_str!("../migrations/0003.sql")),
];

/// Brings the schema up to date; `path` is where the file is, when there is one.
pub(crate) fn bring_up_to_date(
    connection: &mut Connection,
    path: Option<&Path>,
    migrations: &[M<'static>],
) -> Result<(), StoreError> {
    let found: usize = connection.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let known = migrations.len();
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    if let Some(path) = path.filter(|_| (1..known).contains(&found)) {
        keep_copy(connection, path, known).map_err(|e| StoreError::Open(path.to_owned(), e))?;
    }
    Migrations::from_slice(migrations).to_latest(connection).map_err(StoreError::Migration)
}

/// `kiste.db.before-N`, whole or not at all.
fn keep_copy(connection: &Connection, path: &Path, version: usize) -> io::Result<()> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-{version}{suffix}"));
        std::path::PathBuf::from(name)
    };
    let (half, whole) = (beside(".half"), beside(""));
    match fs::remove_file(&half) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // SQLite fills an empty file and leaves its mode alone.
    let file = File::options().create_new(true).write(true).mode(0o600).open(&half)?;
    let target = half.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    connection.execute("VACUUM INTO ?1", [target]).map_err(io::Error::other)?;
    file.sync_all()?;
    fs::rename(&half, &whole)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn migrations_are_valid() {
        Migrations::from_slice(MIGRATIONS).validate().unwrap();
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        let store = Store::open(&path).unwrap();
        store.lock().pragma_update(None, "user_version", 999).unwrap();
        drop(store);
        let before = fs::read(&path).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::TooNew { found: 999, .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_is_copied_before_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        Store::open(&path).unwrap().set_setting("subnet", Some("10.0.0.1/24")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing to copy in a new one");

        let mut next = MIGRATIONS.to_vec();
        next.push(M::up("DROP TABLE settings"));
        let copy = dir.path().join(format!("kiste.db.before-{}", next.len()));
        bring_up_to_date(&mut Connection::open(&path).unwrap(), Some(&path), &next).unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = Store::open(&copy).unwrap().find_setting("subnet").unwrap();
        assert_eq!(kept.as_deref(), Some("10.0.0.1/24"));
    }

    #[test]
    fn a_failed_migration_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        Store::open(&path).unwrap().set_setting("subnet", Some("x")).unwrap();
        let mut next = MIGRATIONS.to_vec();
        next.push(M::up("DROP TABLE settings; SELECT nonsense FROM nowhere;"));
        let failed = bring_up_to_date(&mut Connection::open(&path).unwrap(), Some(&path), &next);
        assert!(matches!(failed, Err(StoreError::Migration(_))));
        assert_eq!(Store::open(&path).unwrap().find_setting("subnet").unwrap().as_deref(), Some("x"));
    }
}
