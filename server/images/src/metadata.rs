//! What comes with an image of LXC, Incus or LXD in a file of its own: texts for files that each new container gets.
//! Read and filled in by confined workers: archive, YAML and texts are the image server's.

use std::{path::Path, sync::atomic::AtomicBool};

use model::file_template::{FileTemplate, MadeFile};
use serde::{Deserialize, Serialize};

use crate::{import::ImageStore, process::WorkerError, report::Report};

/// What a worker is to read: the name of a file in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetadataPlan {
    pub(crate) data: String,
}

/// What a worker is to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RenderPlan {
    pub(crate) files: Vec<FileTemplate>,
    pub(crate) instance: Instance,
}

/// What texts may know of a container, as `container` and `instance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The kernel's name of the architecture.
    pub architecture: String,
    /// Always `container`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always `false`.
    pub privileged: String,
    /// Always `false`.
    pub ephemeral: String,
}

impl Instance {
    /// A container of ours.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let no = || "false".to_owned();
        Self {
            name: name.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            kind: "container".to_owned(),
            privileged: no(),
            ephemeral: no(),
        }
    }
}

impl ImageStore {
    /// Reads a metadata archive that lies in `folder` under this name.
    ///
    /// # Errors
    /// [`WorkerError::Failed`] says in a sentence what is wrong with it.
    pub fn read_metadata(
        &self,
        folder: &Path,
        name: &str,
        is_cancelled: &AtomicBool,
    ) -> Result<Vec<FileTemplate>, WorkerError> {
        let plan = MetadataPlan { data: name.to_owned() };
        let mut found = Vec::new();
        self.run_worker("metadata", folder, &plan, is_cancelled, &mut |report| {
            if let Report::Files(files) = report {
                found = files;
            }
        })?;
        // The worker has read hostile texts: what it says is looked at once more.
        let fault = found.iter().find_map(|f| f.file.fault());
        fault.map_or(Ok(found), |fault| Err(WorkerError::Failed(fault)))
    }

    /// Fills in the texts for a container; one that cannot be filled in is told of and left out. `unique` names the
    /// worker's folder.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn render(
        &self,
        files: Vec<FileTemplate>,
        instance: Instance,
        unique: &str,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(String),
    ) -> Result<Vec<MadeFile>, WorkerError> {
        let staging = self.stage(unique).map_err(|e| WorkerError::Io(self.data_dir.join("staging"), e))?;
        let plan = RenderPlan { files, instance };
        let mut made = Vec::new();
        self.run_worker("render", &staging.folder(), &plan, is_cancelled, &mut |report| match report {
            Report::Made(files) => made = files,
            Report::Line(line) => tell(line),
            _ => {}
        })?;
        let fault = made.iter().find_map(MadeFile::fault);
        fault.map_or(Ok(made), |fault| Err(WorkerError::Failed(fault)))
    }
}
