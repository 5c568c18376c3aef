//! Pools: where containers' own layers lie.
//!
//! [`StorageDriver`] is what every kind of pool can do; [`plain::Plain`] works on any file system that
//! can carry an overlay. Creating a container's layer makes folders: no file is copied, no owner changed.

pub mod plain;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use model::{Bytes, Vmid};
use thiserror::Error;

/// What a pool can do.
pub trait StorageDriver: std::fmt::Debug + Send + Sync {
    /// Makes a container's own layer; gives the folder that holds `upper` and `work`. Again is no error.
    ///
    /// # Errors
    /// [`StorageError`]; nothing is left then.
    fn create(&self, vmid: Vmid) -> Result<PathBuf, StorageError>;

    /// Where a container's own layer is or would be.
    fn own_layer(&self, vmid: Vmid) -> PathBuf;

    /// Deletes a container's own layer; that there is none is no error.
    ///
    /// # Errors
    /// [`StorageError`]; what is left is taken up again by [`StorageDriver::empty_trash`].
    fn destroy(&self, vmid: Vmid) -> Result<(), StorageError>;

    /// Deletes what was cut off in the middle of a deletion.
    ///
    /// # Errors
    /// [`StorageError`] for the first entry that resisted.
    fn empty_trash(&self) -> Result<(), StorageError>;

    /// Bytes that could still be written.
    fn free_bytes(&self) -> Bytes;
}

/// A pool did not do what it was asked.
#[derive(Debug, Error)]
pub enum StorageError {
    /// A folder could not be made, moved or removed.
    #[error("cannot write {0}")]
    Io(PathBuf, #[source] io::Error),
    /// The data folder could be read by others, or is a link.
    #[error("the data folder {path} must be a folder of root with mode 0700: it {problem}")]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Folders of a data folder.
const FOLDERS: [&str; 5] = ["containers", "layers", "staging", "templates", "trash"];

/// Makes the data folder and its parts, 0700 and root's. Ids on disk are unshifted: a container's
/// setuid-root file is one on the host too, so nobody else may reach it.
///
/// # Errors
/// [`StorageError::Exposed`] when it belongs to somebody else or is a link; a wrong mode is mended.
pub fn prepare_data_dir(path: &Path) -> Result<(), StorageError> {
    let failed = |e| StorageError::Io(path.to_owned(), e);
    if fs::symlink_metadata(path).is_err() {
        DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(failed)?;
    }
    let found = fs::symlink_metadata(path).map_err(failed)?;
    let exposed = |problem| StorageError::Exposed { path: path.to_owned(), problem };
    if !found.is_dir() {
        return Err(exposed("is a link or a file"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(exposed("belongs to another user"));
    }
    if found.mode() & 0o777 != 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    for folder in FOLDERS {
        match DirBuilder::new().mode(0o700).create(path.join(folder)) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StorageError::Io(path.join(folder), e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Name of the file system below a path, for `kiste doctor`.
///
/// # Errors
/// When the path is not there.
pub fn filesystem_name(path: &Path) -> io::Result<&'static str> {
    Ok(match rustix::fs::statfs(path)?.f_type {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x2fc1_2fc1 => "zfs",
        0x6969 => "nfs",
        _ => "another",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposed_data_folder_is_mended_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        prepare_data_dir(&data).unwrap();
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&data).unwrap().count(), FOLDERS.len());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&data, &link).unwrap();
        assert!(matches!(prepare_data_dir(&link), Err(StorageError::Exposed { .. })));
    }
}
