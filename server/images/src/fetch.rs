//! Fetching one file over HTTP: a confined worker talks to the server, the engine checks what came.
//!
//! | rule | where |
//! | --- | --- |
//! | no byte more than was promised, none without a limit | worker, while it reads |
//! | goes on where it stopped (`Range`), when a checksum says afterwards that all is well | worker |
//! | never from https to http; a foreign host must have a public address | worker, before it connects |
//! | the checksum is that of the file, not of what the worker says | engine |

mod address;
pub(crate) mod route;
pub(crate) mod sums;

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use model::{Bytes, Checksum, Digest};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use address::is_public;

use crate::{
    import::ImageStore,
    process::{self, WorkerError, claim},
    report::Report,
};

/// What the worker writes.
pub(crate) const PART: &str = "part";
/// What it is called when it is whole and checked.
const DATA: &str = "data";

/// What to fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchOrder<'a> {
    /// From where: http or https.
    pub url: &'a str,
    /// What an administrator has configured: its host may have any address, every other one a public one.
    pub origin: &'a str,
    /// More is never written.
    pub max: Bytes,
    /// What was promised; another size is refused.
    pub size: Option<Bytes>,
    /// Whether any certificate will do: what comes is proved by other means, such as an index by its signature.
    pub any_certificate: bool,
    /// What was promised; only with it is a part that is there gone on with.
    pub checksum: Option<&'a Checksum>,
}

/// A file that is there, whole and as promised.
#[derive(Debug)]
pub struct Fetched {
    /// Open for reading, at its start.
    pub file: File,
    /// Where it lies: 0644 in the folder it was fetched into.
    pub path: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub done: Bytes,
    /// Bytes that it will be, as far as anybody has said.
    pub all: Option<Bytes>,
}

/// A file could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address is none.
    #[error("{url:?} is no address to fetch from: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The server, the network, a rule; or it was cancelled.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// It came whole, and is something else.
    #[error("{url} is not what was promised: its checksum is {found}, not {wanted}; nothing of it is used")]
    Checksum {
        /// From where.
        url: String,
        /// Of what came.
        found: Checksum,
        /// Of what was promised.
        wanted: Checksum,
    },
    /// A file or folder.
    #[error("cannot write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// What a worker is to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchPlan {
    pub(crate) url: String,
    pub(crate) origin: String,
    pub(crate) max: Bytes,
    pub(crate) size: Option<Bytes>,
    /// Whether a mixture of two files would be noticed.
    pub(crate) is_checked: bool,
    pub(crate) any_certificate: bool,
    pub(crate) proxies: Vec<(String, String)>,
}

/// Whether an address can be fetched from; the error says why not.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    route::parse(url).map(drop)
}

impl ImageStore {
    /// Fetches into a folder that exists and is used for nothing else. After an error, what came so far stays
    /// there when it can be gone on with.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(
        &self,
        order: &FetchOrder<'_>,
        folder: &Path,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, FetchError> {
        for url in [order.url, order.origin] {
            route::parse(url).map_err(|why| FetchError::Url { url: url.to_owned(), why })?;
        }
        let part = folder.join(PART);
        let is_resumed = order.checksum.is_some() && part.exists();
        match self.fetch_once(order, folder, is_resumed, is_cancelled, tell) {
            // What was there was the beginning of something else.
            Err(FetchError::Checksum { .. }) if is_resumed => {
                self.fetch_once(order, folder, false, is_cancelled, tell)
            }
            other => other,
        }
    }

    fn fetch_once(
        &self,
        order: &FetchOrder<'_>,
        folder: &Path,
        is_resumed: bool,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, FetchError> {
        let part = folder.join(PART);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |e| FetchError::Io(path, e)
        };
        if !is_resumed && part.exists() {
            fs::remove_file(&part).map_err(io(&part))?;
        }
        let plan = FetchPlan {
            url: order.url.to_owned(),
            origin: order.origin.to_owned(),
            max: order.max,
            size: order.size,
            is_checked: order.checksum.is_some(),
            any_certificate: order.any_certificate,
            proxies: process::proxies(),
        };
        let mut all = order.size;
        self.run_worker("fetch", folder, &plan, is_cancelled, &mut |report| match report {
            Report::Progress(done) => tell(Progress { done, all }),
            Report::Expect(size) => all = Some(size),
            _ => {}
        })?;
        let mut file = claim(&part).map_err(io(&part))?;
        let size = Bytes(file.metadata().map_err(io(&part))?.len());
        let sums = sums::Sums::of(&mut file).map_err(io(&part))?;
        if let Some(wanted) = order.checksum {
            let found = sums.like(wanted);
            if found != *wanted {
                fs::remove_file(&part).map_err(io(&part))?;
                return Err(FetchError::Checksum {
                    url: order.url.to_owned(),
                    found,
                    wanted: wanted.clone(),
                });
            }
        }
        let path = folder.join(DATA);
        file.set_permissions(Permissions::from_mode(0o644)).map_err(io(&part))?;
        fs::rename(&part, &path).map_err(io(&path))?;
        Ok(Fetched { file, path, size, sha256: sums.sha256 })
    }
}
