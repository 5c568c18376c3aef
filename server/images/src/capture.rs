//! A template from a container: its own layer becomes one more layer of its image.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use model::{
    Bytes,
    template::{ImageRef, Manifest, ManifestLayer},
};

use crate::{
    BuildError, WorkerError,
    build::{ARCHIVE, Built, Event, PARENT, archive_name, lend},
    import::{ImageStore, Installed, image_of},
    process::claim,
    report::{CapturePlan, Report},
};

/// What to take.
#[derive(Debug)]
pub struct Order<'a> {
    /// The manifest to be, without layers.
    pub manifest: Manifest,
    /// The image that the container runs on.
    pub image: &'a ImageRef,
    /// Trees of its layers, base first.
    pub layers: Vec<PathBuf>,
    /// The container's own: the folder with `upper`.
    pub own_layer: PathBuf,
    /// Archive of the image, if there is one: the new template gets one too then.
    pub archive: Option<&'a Path>,
    /// Paths that do not go on, beside what never does.
    pub forget: Vec<String>,
}

impl ImageStore {
    /// Takes a container's layer, which nobody writes to meanwhile, and installs it. `unique` names the staging
    /// folder; `tell` hears how it goes, and what was left out.
    ///
    /// # Errors
    /// [`BuildError`]; nothing is left then.
    pub fn capture(
        &self,
        order: Order<'_>,
        unique: &str,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(Installed, Option<Built<'_>>), BuildError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |e| BuildError::Io(path, e)
        };
        let staging = self.stage(unique).map_err(io(&self.data_dir))?;
        let folder = staging.folder();
        if let Some(archive) = order.archive {
            lend(archive, &folder.join(PARENT)).map_err(io(archive))?;
        }
        let below = size_of(&order.layers).map_err(io(&self.data_dir))?;
        let mut manifest = order.manifest;
        // Sizes are those of archives; they are known where there is one.
        let known = order.image.layers.iter().map(|d| ManifestLayer { digest: d.clone(), size: Bytes(0) });
        manifest.layers = known.collect();
        let has_archive = order.archive.is_some();
        let plan = CapturePlan {
            manifest,
            layers: order.layers,
            own_layer: order.own_layer,
            has_archive,
            forget: order.forget,
        };
        let (mut manifest, mut own) = (None, None);
        self.run_worker("capture", &folder, &plan, is_cancelled, &mut |report| match report {
            Report::Step(step) => tell(Event::Step(step)),
            Report::Line(line) => tell(Event::Line(line)),
            Report::Manifest(made) => manifest = Some(*made),
            Report::Layer { digest, size, .. } => own = Some((digest, size)),
            _ => {}
        })?;
        let silent = || BuildError::Worker(WorkerError::Died("it did not say what it has made".into()));
        let (manifest, (digest, size)) = manifest.zip(own).ok_or_else(silent)?;
        self.put_layer(&folder.join("0"), &digest).map_err(io(&self.layer(&digest)))?;
        let layers = order.image.layers.iter().cloned().chain([digest]);
        let image = image_of(&manifest, layers).map_err(|e| io(&folder)(e.into()))?;
        let built = if has_archive {
            let path = folder.join(ARCHIVE);
            let name = archive_name(&manifest.name, &manifest.version);
            Some(Built { archive: claim(&path).map_err(io(&path))?, staging, name })
        } else {
            None
        };
        Ok((Installed { manifest, image, size: Bytes(below.0 + size.0) }, built))
    }
}

/// Bytes of the files of some layers.
fn size_of(layers: &[PathBuf]) -> std::io::Result<Bytes> {
    let one = |layer: &PathBuf| {
        let folder = linux::disk::open_folder(layer.parent().unwrap_or(layer))?;
        linux::disk::tree_bytes(std::os::fd::AsFd::as_fd(&folder), "fs")
    };
    layers.iter().map(one).sum::<std::io::Result<u64>>().map(Bytes)
}
