//! `data_dir/trash`: trees on their way in or out. What lies here when nobody is at work is garbage.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use linux::{disk, remove_tree::remove_tree};

use crate::{
    StorageError,
    driver::{read_failed, write_failed},
};

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Trash {
    path: PathBuf,
    folder: File,
}

impl Trash {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StorageError> {
        let path = data_dir.join("trash");
        let folder = disk::open_folder(&path).map_err(read_failed(&path))?.into();
        Ok(Self { path, folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Does `place` with names until one is free. They are not random: only root can put names here.
    pub(crate) fn with_free_name(
        &self,
        stem: &str,
        mut place: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<String, StorageError> {
        loop {
            let name = format!("{stem}.{}", NEXT.fetch_add(1, Ordering::Relaxed));
            match place(&name) {
                Ok(()) => return Ok(name),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(write_failed(&self.path.join(name))(e)),
            }
        }
    }

    /// Takes `name` out of `from` for good, if it is there, then deletes it.
    pub(crate) fn take(&self, from: &File, name: &str) -> Result<(), StorageError> {
        let trashed =
            self.with_free_name(name, |free| match disk::rename_new(from.as_fd(), name, self.fd(), free) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            })?;
        // From here on it is gone even if the machine dies, however long the deletion takes.
        for folder in [from, &self.folder] {
            folder.sync_all().map_err(write_failed(&self.path))?;
        }
        self.delete(&trashed)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), StorageError> {
        remove_tree(self.fd(), name).map_err(write_failed(&self.path.join(name)))
    }

    /// Deletes everything; goes on after a failure and gives the first.
    pub(crate) fn empty(&self) -> Result<(), StorageError> {
        let entries = fs::read_dir(&self.path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(read_failed(&self.path))?;
        let failures = entries.iter().filter_map(|e| self.delete(&e.file_name().to_string_lossy()).err());
        // Collected first: a failure must not keep the others from their turn.
        failures.collect::<Vec<_>>().into_iter().next().map_or(Ok(()), Err)
    }
}
