//! The data folder: asserted at each start, locked while an engine works in it.
//!
//! Ids on disk are unshifted: a container's setuid-root file is one on the host too, so nobody but root
//! may reach it. Looked at and mended by descriptor: nothing can be put in its place in between.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use linux::disk;
use model::Digest;

use crate::{
    StorageError,
    driver::{read_failed, write_failed},
};

/// Folders of a data folder.
const FOLDERS: [&str; 6] = ["containers", "downloads", "layers", "staging", "templates", "trash"];

/// Makes the data folder and its parts, 0700 and root's.
///
/// # Errors
/// [`StorageError::Exposed`] when it belongs to somebody else or is a link; a wrong mode is mended.
pub fn prepare_data_dir(path: &Path) -> Result<(), StorageError> {
    // Folders on the way are everybody's to enter, as usual.
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(write_failed(path))?;
    let folder = ensure_private(path)?;
    for name in FOLDERS {
        ensure_private(&path.join(name))?;
    }
    folder.sync_all().map_err(write_failed(path))
}

fn ensure_private(path: &Path) -> Result<File, StorageError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(write_failed(path)(e)),
        _ => {}
    }
    let exposed = |problem| StorageError::Exposed { path: path.to_owned(), problem };
    let folder = match disk::open_own_folder(path) {
        Ok(folder) => File::from(folder),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(exposed("is a link or a file")),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            return Err(exposed("belongs to another user"));
        }
        Err(e) => return Err(read_failed(path)(e)),
    };
    if folder.metadata().map_err(read_failed(path))?.mode() & 0o7777 != 0o700 {
        folder.set_permissions(Permissions::from_mode(0o700)).map_err(write_failed(path))?;
    }
    Ok(folder)
}

/// No other engine works in the data folder while this lives. A child does not keep it after exec.
#[derive(Debug)]
pub struct DataDirLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Locks a data folder that [`prepare_data_dir`] has made.
///
/// # Errors
/// [`StorageError::InUse`] when another engine has it.
pub fn lock_data_dir(path: &Path) -> Result<DataDirLock, StorageError> {
    let folder = File::from(disk::open_own_folder(path).map_err(read_failed(path))?);
    match folder.try_lock() {
        Ok(()) => Ok(DataDirLock(folder)),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(write_failed(path)(e)),
    }
}

/// An empty file without a name in the staging folder: gone with its last descriptor, so that an upload
/// that breaks off leaves nothing.
///
/// # Errors
/// When the folder cannot be written.
pub fn new_spool(data_dir: &Path) -> Result<OwnedFd, StorageError> {
    let folder = data_dir.join("staging");
    disk::nameless_file(&folder).map_err(write_failed(&folder))
}

/// Whether no container lies in a data folder that [`prepare_data_dir`] has made.
#[must_use]
pub fn is_unused(data_dir: &Path) -> bool {
    fs::read_dir(data_dir.join("containers")).is_ok_and(|mut entries| entries.next().is_none())
}

/// The trees of an image's layers in a data folder, base first; all of them are there.
///
/// # Errors
/// [`StorageError::MissingLayer`] names the first that is not.
pub fn resolve_layers(data_dir: &Path, digests: &[Digest]) -> Result<Vec<PathBuf>, StorageError> {
    let resolve = |digest: &Digest| {
        let path = data_dir.join("layers").join(digest.as_str()).join("fs");
        let is_there = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
        if is_there { Ok(path) } else { Err(StorageError::MissingLayer(digest.clone())) }
    };
    digests.iter().map(resolve).collect()
}

/// Name of the file system below a path, for `kiste doctor`.
///
/// # Errors
/// When the path is not there.
pub fn filesystem_name(path: &Path) -> io::Result<&'static str> {
    Ok(disk::file_system(File::open(path)?)?.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn an_exposed_data_folder_is_mended_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new/data");
        prepare_data_dir(&data).unwrap();
        for folder in [data.clone(), data.join("trash")] {
            fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        }
        prepare_data_dir(&data).unwrap();
        assert_eq!((mode(&data), mode(&data.join("trash"))), (0o700, 0o700));
        assert_eq!(fs::read_dir(&data).unwrap().count(), FOLDERS.len());

        let is_exposed = |path: &Path| matches!(prepare_data_dir(path), Err(StorageError::Exposed { .. }));
        symlink(&data, dir.path().join("link")).unwrap();
        assert!(is_exposed(&dir.path().join("link")));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(is_exposed(&dir.path().join("file")));
        fs::remove_dir(data.join("trash")).unwrap();
        symlink("containers", data.join("trash")).unwrap();
        assert!(is_exposed(&data), "a part must not lead elsewhere either");
    }

    #[test]
    fn a_foreign_data_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(dir.path(), Some(4242), None).is_err() {
            assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "this test needs root");
            eprintln!("SKIPPED (needs root): a_foreign_data_folder_is_refused");
            return;
        }
        assert!(matches!(prepare_data_dir(dir.path()), Err(StorageError::Exposed { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_one_works_in_a_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = lock_data_dir(dir.path()).unwrap();
        assert!(matches!(lock_data_dir(dir.path()), Err(StorageError::InUse(_))));
        drop(lock);
        lock_data_dir(dir.path()).unwrap();
    }

    #[test]
    fn missing_layers_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let [base, top] = [[1; 32], [2; 32]].map(|b| Digest::from_bytes(&b));
        let path = dir.path().join("layers").join(base.as_str()).join("fs");
        fs::create_dir_all(&path).unwrap();
        assert_eq!(resolve_layers(dir.path(), std::slice::from_ref(&base)).unwrap(), [path]);
        let refused = resolve_layers(dir.path(), &[base, top.clone()]).unwrap_err();
        assert!(matches!(refused, StorageError::MissingLayer(digest) if digest == top));
    }
}
