//! What every storage driver does: make, find, measure and destroy a container's own layer.

use std::{
    io,
    path::{Path, PathBuf},
};

use model::{Bytes, Digest, Vmid};
use thiserror::Error;

/// What a driver can do beyond the necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// A layer can be kept as it is at a moment, at no cost.
    pub has_snapshots: bool,
    /// A layer can be held to a size.
    pub has_quotas: bool,
}

/// What a pool can do. Every change is on disk when a method returns.
pub trait StorageDriver: std::fmt::Debug + Send + Sync {
    /// What it can do beyond the necessary.
    fn capabilities(&self) -> Capabilities;

    /// Makes a container's own layer; gives the folder that holds `upper` and `work`. Again is no error.
    ///
    /// # Errors
    /// [`StorageError`]; nothing is left then.
    fn create(&self, vmid: Vmid) -> Result<PathBuf, StorageError>;

    /// Where a container's own layer is or would be.
    fn own_layer(&self, vmid: Vmid) -> PathBuf;

    /// Whether a container has a layer of its own.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn exists(&self, vmid: Vmid) -> Result<bool, StorageError>;

    /// All containers that have one, by number.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list(&self) -> Result<Vec<Vmid>, StorageError>;

    /// Bytes on disk of a container's own layer. It may walk the whole layer: not for lists.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn usage(&self, vmid: Vmid) -> Result<Bytes, StorageError>;

    /// Deletes a container's own layer; that there is none is no error.
    ///
    /// # Errors
    /// [`StorageError`]; what is left is taken up again by [`StorageDriver::empty_trash`].
    fn destroy(&self, vmid: Vmid) -> Result<(), StorageError>;

    /// Deletes what was cut off in the middle of a making or a deletion. At start only, before any task.
    ///
    /// # Errors
    /// [`StorageError`] for the first entry that resisted; the others are gone.
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
    /// A folder could not be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// The data folder could be read by others, or is a link.
    #[error("the data folder {path} must be a folder of root with mode 0700: it {problem}")]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// Another engine works in the data folder.
    #[error("another `kiste serve` uses the data folder {0}: end it, or set another `data_dir`")]
    InUse(PathBuf),
    /// A layer of an image is not installed.
    #[error("layer {} of the image is not installed: import or build its template again", .0.short())]
    MissingLayer(Digest),
}

pub(crate) fn write_failed(path: &Path) -> impl FnOnce(io::Error) -> StorageError + '_ {
    |e| StorageError::Io(path.to_owned(), e)
}

pub(crate) fn read_failed(path: &Path) -> impl FnOnce(io::Error) -> StorageError + '_ {
    |e| StorageError::Read(path.to_owned(), e)
}
