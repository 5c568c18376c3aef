//! What the worker tells the engine: one JSON line each on its standard output.

use model::{Bytes, Digest, template::Manifest};
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// So many bytes of the trees are written.
    Progress(Bytes),
    /// The archive brought a manifest.
    Manifest(Manifest),
    /// A layer is unpacked in the folder of its number.
    Layer {
        /// Number of its folder, from 0.
        number: u32,
        /// SHA-256 of its uncompressed archive.
        digest: Digest,
        /// Size of its uncompressed archive.
        archive_size: Bytes,
        /// Bytes of its files.
        size: Bytes,
        /// Entries that were passed over: devices below ./dev.
        skipped: u64,
    },
    /// It was refused; for the operator.
    Refused(String),
}
