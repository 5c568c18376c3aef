//! The plain driver: folders on any file system that can carry an overlay.
//!
//! `containers/<vmid>/rw/{upper,work}`: the pair lies alone in `rw`, which the shim shows through the
//! container's id map; nothing of the manager is in it.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use linux::disk;
use model::{Bytes, Vmid};

use crate::{
    Capabilities, StorageDriver, StorageError,
    driver::{read_failed, write_failed},
    trash::Trash,
};

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

    fn containers(&self) -> PathBuf {
        self.data_dir.join("containers")
    }

    fn trash(&self) -> Result<Trash, StorageError> {
        Trash::open(&self.data_dir)
    }

    fn open_containers(&self) -> Result<File, StorageError> {
        let path = self.containers();
        Ok(disk::open_folder(&path).map_err(read_failed(&path))?.into())
    }

    /// Puts what was made whole in its place; that something is there already is no error.
    fn move_in(&self, trash: &Trash, made: &str, vmid: Vmid) -> Result<(), StorageError> {
        let containers = self.open_containers()?;
        match disk::rename_new(trash.fd(), made, containers.as_fd(), &vmid.to_string()) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return trash.delete(made),
            result => result.map_err(write_failed(&self.own_layer(vmid)))?,
        }
        containers.sync_all().map_err(write_failed(&self.containers()))
    }
}

impl StorageDriver for Plain {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn create(&self, vmid: Vmid) -> Result<PathBuf, StorageError> {
        let trash = self.trash()?;
        // Made in the trash: what a crash leaves half-made lies where the next start deletes it.
        let made = trash
            .with_free_name(&format!("{vmid}.new"), |name| make_folder(&trash.path().join(name), 0o700))?;
        let path = trash.path().join(&made);
        let done = make_pair(&path).map_err(write_failed(&path));
        if let Err(error) = done.and_then(|()| self.move_in(&trash, &made, vmid)) {
            // The first failure is the one to tell; what stays goes at the next start.
            let _ = trash.delete(&made);
            return Err(error);
        }
        Ok(self.own_layer(vmid))
    }

    fn own_layer(&self, vmid: Vmid) -> PathBuf {
        self.containers().join(vmid.to_string()).join("rw")
    }

    fn exists(&self, vmid: Vmid) -> Result<bool, StorageError> {
        let path = self.own_layer(vmid);
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(read_failed(&path)(e)),
        }
    }

    fn list(&self) -> Result<Vec<Vmid>, StorageError> {
        let path = self.containers();
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(read_failed(&path))?;
        let vmids = entries.iter().filter_map(|e| e.file_name().to_str()?.parse().ok());
        let mut vmids: Vec<Vmid> = vmids.collect();
        vmids.sort_unstable();
        Ok(vmids)
    }

    fn usage(&self, vmid: Vmid) -> Result<Bytes, StorageError> {
        let path = self.own_layer(vmid);
        let folder = disk::open_folder(&path).map_err(read_failed(&path))?;
        disk::tree_bytes(folder.as_fd(), "upper").map(Bytes).map_err(read_failed(&path))
    }

    fn destroy(&self, vmid: Vmid) -> Result<(), StorageError> {
        self.trash()?.take(&self.open_containers()?, &vmid.to_string())
    }

    fn empty_trash(&self) -> Result<(), StorageError> {
        self.trash()?.empty()
    }

    fn free_bytes(&self) -> Bytes {
        let free = disk::open_folder(&self.data_dir).and_then(disk::file_system);
        Bytes(free.map_or(0, |f| f.free_bytes))
    }
}

/// `rw/upper` and `rw/work` below `path`, on disk.
fn make_pair(path: &Path) -> io::Result<()> {
    let rw = path.join("rw");
    // Every id of the container passes through `rw`, and `upper` is its `/`.
    for folder in [&rw, &rw.join("upper"), &rw.join("work")] {
        make_folder(folder, 0o755)?;
    }
    for folder in [&rw.join("upper"), &rw.join("work"), &rw, path] {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A new folder with exactly this mode, whatever the umask.
fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests;
