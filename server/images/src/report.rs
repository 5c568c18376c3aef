//! What engine and worker tell each other, in JSON lines: reports on the worker's standard output, the
//! plan of a build on its standard input.

use std::path::PathBuf;

use model::{
    Bytes, Digest,
    file_template::{FileTemplate, MadeFile},
    template::Manifest,
};
use serde::{Deserialize, Serialize};

use crate::recipe::{Hook, Place, RecipeFile, SystemUser};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// So many bytes of the trees, or of a file, are written.
    Progress(Bytes),
    /// The archive brought a manifest.
    Manifest(Box<Manifest>),
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
    /// The tree brings TurnKey's first boot.
    Inithooks,
    /// What an image's metadata has for each new container.
    Files(Vec<FileTemplate>),
    /// The same for one container.
    Made(Vec<MadeFile>),
    /// So many bytes will come.
    Expect(Bytes),
    /// It was refused; for the operator.
    Refused(String),
    /// A build is at another step.
    Step(String),
    /// So many percent of a build's step are done.
    Percent(u8),
    /// A line for a build's log.
    Line(String),
}

/// What a build is to make: one JSON line on its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BuildPlan {
    /// The manifest to be, without layers and packages. Its date is that of everything in the archive.
    pub(crate) manifest: Manifest,
    /// Debian's release; `None`: that of the parent, whose archive lies in the worker's folder.
    pub(crate) suite: Option<String>,
    /// Packages to put in.
    pub(crate) packages: Vec<String>,
    /// Users to make before packages do.
    pub(crate) users: Vec<SystemUser>,
    /// Sources to put in after the packages.
    pub(crate) sources: Vec<SourcePlan>,
    /// Files to put in after those.
    pub(crate) files: Vec<RecipeFile>,
    /// Scripts to run on the tree.
    pub(crate) hooks: Vec<Hook>,
    /// Where packages come from; `None`: mmdebstrap's own default.
    pub(crate) mirror: Option<String>,
    /// The host's proxies, as environment variables.
    pub(crate) proxies: Vec<(String, String)>,
}

/// What is to be taken out of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CapturePlan {
    /// The manifest to be, without the container's own layer.
    pub(crate) manifest: Manifest,
    /// Trees of the image's layers, base first.
    pub(crate) layers: Vec<PathBuf>,
    /// The container's own, an overlay's upper folder.
    pub(crate) own_layer: PathBuf,
    /// Whether the image's archive lies in the worker's folder, and a new one is to be written.
    pub(crate) has_archive: bool,
    /// Paths that do not go on.
    pub(crate) forget: Vec<String>,
}

/// A vendor's file that lies in the worker's folder, proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourcePlan {
    /// Its path in the folder.
    pub(crate) data: String,
    /// Where it goes in the tree.
    pub(crate) place: Place,
}
