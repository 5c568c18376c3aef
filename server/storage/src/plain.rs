//! The plain driver: folders on any file system that can carry an overlay.
//!
//! `containers/<vmid>/rw/{upper,work}`: the pair lies alone in `rw`, which the shim shows through the
//! container's id map; nothing of the manager is in it.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{fd::AsFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use model::{Bytes, Vmid};

use crate::{StorageDriver, StorageError};

/// Folders below a data folder.
#[derive(Debug, Clone)]
pub struct Plain {
    data_dir: PathBuf,
}

impl Plain {
    /// The driver for a data folder that [`crate::prepare_data_dir`] has made.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }

    fn container(&self, vmid: Vmid) -> PathBuf {
        self.data_dir.join("containers").join(vmid.to_string())
    }

    fn trash(&self) -> PathBuf {
        self.data_dir.join("trash")
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StorageError + '_ {
    |e| StorageError::Io(path.to_owned(), e)
}

impl StorageDriver for Plain {
    fn create(&self, vmid: Vmid) -> Result<PathBuf, StorageError> {
        let own = self.own_layer(vmid);
        for (folder, mode) in [(own.join("upper"), 0o755), (own.join("work"), 0o755)] {
            DirBuilder::new().mode(0o700).recursive(true).create(&own).map_err(failed(&own))?;
            match DirBuilder::new().mode(mode).create(&folder) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(StorageError::Io(folder, e));
                }
                _ => {}
            }
        }
        // The folder that every id of the container passes through.
        let open = fs::Permissions::from(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        fs::set_permissions(&own, open).map_err(failed(&own))?;
        let containers = self.data_dir.join("containers");
        File::open(&containers).and_then(|d| d.sync_all()).map_err(failed(&containers))?;
        Ok(own)
    }

    fn own_layer(&self, vmid: Vmid) -> PathBuf {
        self.container(vmid).join("rw")
    }

    fn destroy(&self, vmid: Vmid) -> Result<(), StorageError> {
        let (from, to) = (self.container(vmid), self.trash().join(vmid.to_string()));
        // What an earlier deletion of the same number left is in the way of the rename.
        self.empty_trash()?;
        match fs::rename(&from, &to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(failed(&from))?,
        }
        self.empty_trash()
    }

    fn empty_trash(&self) -> Result<(), StorageError> {
        let trash = self.trash();
        let remove = || -> io::Result<()> {
            let folder = File::open(&trash)?;
            for entry in fs::read_dir(&trash)?.flatten() {
                linux::remove_tree::remove_tree(folder.as_fd(), &entry.file_name().to_string_lossy())?;
            }
            Ok(())
        };
        remove().map_err(failed(&trash))
    }

    fn free_bytes(&self) -> Bytes {
        let stat = rustix::fs::statvfs(&self.data_dir);
        Bytes(stat.map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creating_copies_no_file_and_destroying_leaves_none() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("d");
        crate::prepare_data_dir(&data).unwrap();
        let pool = Plain::new(&data);
        let own = pool.create(Vmid::FIRST).unwrap();
        pool.create(Vmid::FIRST).unwrap();
        assert_eq!(fs::read_dir(&own).unwrap().count(), 2);
        fs::write(own.join("upper/file"), "x").unwrap();
        fs::create_dir(own.join("work/work")).unwrap();
        pool.destroy(Vmid::FIRST).unwrap();
        pool.destroy(Vmid::FIRST).unwrap();
        for folder in ["containers", "trash"] {
            assert_eq!(fs::read_dir(data.join(folder)).unwrap().count(), 0, "{folder}");
        }
    }
}
