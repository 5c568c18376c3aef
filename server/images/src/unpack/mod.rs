//! Strict extraction of one tar stream into a folder.
//!
//! Every name is checked before use and resolved by descriptor beneath the folder, without following
//! any link. What is not understood is refused, never guessed. Runs in the confined worker only.

mod entry;
mod name;
mod reader;

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
};

use model::{Bytes, Digest};
use thiserror::Error;

pub(crate) use reader::{Counting, Hashing, decompress};

/// Bounds of one archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// Entries.
    pub(crate) entries: u64,
    /// Whether it lies on another layer, and may delete from it.
    pub(crate) has_whiteouts: bool,
    /// A vendor's parcel, of which so many outer folders are dropped: all in it becomes root's, 0755 or 0644.
    pub(crate) parcel: Option<usize>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 2_000_000, has_whiteouts: false, parcel: None }
    }
}

/// Why an archive is refused. Names are shown escaped: they are the archive's.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the archive is damaged or cut off")]
    Damaged(#[source] io::Error),
    #[error("the archive holds {0:?}, an absolute name: it is no template or a hostile one")]
    Absolute(String),
    #[error("the archive holds {0:?}, a name that leads out of it: it is no template or a hostile one")]
    DotDot(String),
    #[error("the archive holds a name that is too long, too deep or not usable: {0:?}")]
    Name(String),
    #[error("the archive holds {0:?} twice, as different things: it is damaged or hostile")]
    ChangedType(String),
    #[error("the archive holds {0:?}, which goes through a link or a file: it is damaged or hostile")]
    ThroughLink(String),
    #[error("the archive holds a device, {0:?}, outside /dev: make the archive without it")]
    Device(String),
    #[error("the archive holds {0:?} of an unknown kind: repack it with GNU tar")]
    UnknownKind(String),
    #[error("the archive gives {name:?} to id {id}: ids up to 65535 are usable in a container")]
    Id { name: String, id: u64 },
    #[error("the archive's {name:?} carries the attribute {attribute:?}, which templates must not have")]
    Attribute { name: String, attribute: String },
    #[error("the archive holds the deletion mark {0:?}: only layers on top of others may")]
    Whiteout(String),
    #[error("the archive claims or holds more than {limit}: refused as a bomb")]
    TooMuch { limit: String },
    #[error("the disk is full while unpacking {0:?}: free some space and repeat")]
    DiskFull(String),
    #[error("cannot write {0:?}")]
    Write(String, #[source] io::Error),
}

/// What was unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) digest: Digest,
    pub(crate) archive_size: Bytes,
    pub(crate) size: Bytes,
    pub(crate) skipped: u64,
}

/// Unpacks a tar stream below `folder` and gives its digest. `progress` hears of the bytes so far.
pub(crate) fn unpack(
    stream: impl Read,
    folder: OwnedFd,
    bounds: Bounds,
    progress: &mut dyn FnMut(u64),
) -> Result<Unpacked, Refusal> {
    let mut hashing = reader::Hashing::new(stream);
    let mut tree = entry::Tree::new(folder, bounds);
    {
        let mut archive = tar::Archive::new(&mut hashing);
        for item in archive.entries().map_err(Refusal::Damaged)? {
            tree.add(item.map_err(Refusal::Damaged)?)?;
            progress(tree.bytes());
        }
    }
    // The digest is over the whole stream, padding behind the last entry too.
    io::copy(&mut hashing, &mut io::sink()).map_err(Refusal::Damaged)?;
    if hashing.count() == 0 {
        return Err(Refusal::Damaged(io::ErrorKind::UnexpectedEof.into()));
    }
    let (size, skipped) = (Bytes(tree.bytes()), tree.skipped());
    let folder = tree.finish()?;
    File::from(folder.as_fd().try_clone_to_owned().map_err(|e| Refusal::Write(".".into(), e))?)
        .sync_all()
        .map_err(|e| Refusal::Write(".".into(), e))?;
    let archive_size = Bytes(hashing.count());
    Ok(Unpacked { digest: hashing.digest(), archive_size, size, skipped })
}
