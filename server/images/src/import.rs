//! Importing an archive: staging folder, confined worker, rename into place. A failure leaves nothing.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use model::{
    Bytes, Digest, TemplateName,
    application::inithooks,
    idmap::IdMap,
    template::{ImageRef, Manifest, ManifestLayer},
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    process::{WorkerError, claim},
    report::Report,
    unpack::Bounds,
    worker::squashfs,
};

/// What reads squashfs images: a path and the package it comes with.
pub const TOOL: (&str, &str) = squashfs::TOOL;

/// Where images live and who unpacks them.
#[derive(Debug, Clone)]
pub struct ImageStore {
    /// The instance's data folder, with `layers` and `staging`.
    pub data_dir: PathBuf,
    /// The binary that runs `worker`.
    pub worker: PathBuf,
    /// The instance's own ids.
    pub ids: IdMap,
}

/// What an import gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What is in it; made up for an archive that brought none.
    pub manifest: Manifest,
    /// Its image.
    pub image: ImageRef,
    /// Bytes of its files.
    pub size: Bytes,
}

/// An archive was not imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The worker refused it; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// It was cancelled.
    #[error("the import was cancelled")]
    Cancelled,
    /// The worker ended without a word.
    #[error("the unpacking process ended early ({0})")]
    Died(String),
    /// A squashfs image could not be read.
    #[error(transparent)]
    Squashfs(#[from] WorkerError),
    /// The archive brings no name.
    #[error("the archive brings no name: give one with --name")]
    NoName,
    /// A folder could not be made, moved or synced.
    #[error("cannot write {0}")]
    Io(PathBuf, #[source] io::Error),
}

/// A staging folder that goes away with its owner.
#[derive(Debug)]
pub(crate) struct Staging<'a> {
    pub(crate) store: &'a ImageStore,
    name: String,
}

impl Staging<'_> {
    /// Its path.
    pub(crate) fn folder(&self) -> PathBuf {
        self.store.staging().join(&self.name)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        let removed = File::open(self.store.staging())
            .and_then(|d| linux::remove_tree::remove_tree(d.as_fd(), &self.name));
        if let Err(error) = removed {
            tracing::warn!(name = %self.name, %error, "a staging folder could not be removed");
        }
    }
}

impl ImageStore {
    fn staging(&self) -> PathBuf {
        self.data_dir.join("staging")
    }

    /// Makes a staging folder.
    pub(crate) fn stage(&self, unique: &str) -> io::Result<Staging<'_>> {
        let staging = Staging { store: self, name: unique.to_owned() };
        fs::create_dir(staging.folder())?;
        fs::set_permissions(staging.folder(), fs::Permissions::from_mode(0o755))?;
        Ok(staging)
    }

    /// Imports an archive of ours, or any root file system as tar with zstd, xz, gzip or bzip2, or as squashfs. `unique` names
    /// the staging folder; `progress` hears of the bytes written.
    ///
    /// # Errors
    /// [`ImportError`]; nothing is left then.
    pub fn import(
        &self,
        archive: File,
        unique: &str,
        fallback: &dyn Fn() -> Option<Manifest>,
        is_cancelled: &AtomicBool,
        progress: &mut dyn FnMut(Bytes),
    ) -> Result<Installed, ImportError> {
        let staging = self.stage(unique).map_err(|e| ImportError::Io(self.staging().join(unique), e))?;
        let folder = staging.folder();
        let archive = if is_squashfs(&archive) {
            self.repack(archive, &folder, is_cancelled, progress)?
        } else {
            archive
        };
        let mut child = self.spawn(archive, &folder)?;
        let outcome = listen(&mut child, is_cancelled, progress);
        let status = child.wait().map_err(|e| ImportError::Io(self.worker.clone(), e))?;
        let Heard { manifest, layers, has_inithooks } = outcome?;
        if !status.success() {
            return Err(ImportError::Died(status.to_string()));
        }
        let manifest = match manifest {
            Some(manifest) => manifest,
            None => {
                let named = fallback().ok_or(ImportError::NoName)?;
                let application = if has_inithooks { inithooks::application() } else { named.application };
                Manifest { layers: layers.iter().map(|l| l.entry.clone()).collect(), application, ..named }
            }
        };
        for layer in &layers {
            let digest = &layer.entry.digest;
            self.put_layer(&folder.join(layer.number.to_string()), digest)
                .map_err(|e| ImportError::Io(self.layer(digest), e))?;
        }
        drop(staging);
        let installed = layers.iter().map(|l| l.entry.digest.clone());
        let image = image_of(&manifest, installed).map_err(|e| ImportError::Refused(e.to_string()))?;
        let size = Bytes(layers.iter().map(|l| l.size.0).sum());
        Ok(Installed { manifest, image, size })
    }

    /// A squashfs image as a tar file, in the staging folder.
    fn repack(
        &self,
        mut image: File,
        folder: &Path,
        is_cancelled: &AtomicBool,
        progress: &mut dyn FnMut(Bytes),
    ) -> Result<File, ImportError> {
        let (tool, package) = TOOL;
        if !Path::new(tool).exists() {
            let text = format!("squashfs images need {tool}: apt install {package}");
            return Err(ImportError::Refused(text));
        }
        let copy = folder.join(squashfs::IMAGE);
        let tar = folder.join(squashfs::TAR);
        let copied = File::create_new(&copy).and_then(|mut to| io::copy(&mut image, &mut to));
        copied.map_err(|e| ImportError::Io(copy.clone(), e))?;
        let about = linux::disk::open_folder(folder).and_then(linux::disk::file_system);
        let free = about.map_err(|e| ImportError::Io(folder.to_owned(), e))?.free_bytes;
        // It is there twice for a while, as an archive and unpacked.
        let plan = SquashfsPlan { max: Bytes(free.min(Bounds::default().bytes) / 2) };
        self.run_worker("squashfs", folder, &plan, is_cancelled, &mut |report| {
            if let Report::Progress(bytes) = report {
                progress(bytes);
            }
        })?;
        fs::remove_file(&copy).map_err(|e| ImportError::Io(copy, e))?;
        claim(&tar).map_err(|e| ImportError::Io(tar, e))
    }

    fn spawn(&self, archive: File, folder: &Path) -> Result<Child, ImportError> {
        let mut command = Command::new(&self.worker);
        linux::spawn::with_default_signals(&mut command)
            .args(["worker", "unpack", &self.ids.base().0.to_string()])
            .arg(folder)
            .env_clear()
            .stdin(archive)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| ImportError::Io(self.worker.clone(), e))
    }

    /// Moves a tree to its place; one that is there already is the same, by its digest.
    pub(crate) fn put_layer(&self, from: &Path, digest: &Digest) -> io::Result<()> {
        let to = self.layer(digest);
        if to.exists() {
            return Ok(());
        }
        rustix::fs::syncfs(File::open(from)?)?;
        fs::rename(from, &to)?;
        File::open(self.layers())?.sync_all()
    }

    fn layers(&self) -> PathBuf {
        self.data_dir.join("layers")
    }

    /// Where a layer lies or would lie.
    pub(crate) fn layer(&self, digest: &Digest) -> PathBuf {
        self.layers().join(digest.as_str())
    }

    /// Removes a layer that nothing stands on any more.
    ///
    /// # Errors
    /// When an entry could not be removed.
    pub fn remove_layer(&self, digest: &Digest) -> io::Result<()> {
        let layers = File::open(self.layers())?;
        linux::remove_tree::remove_tree(layers.as_fd(), digest.as_str())
    }

    /// Removes what an import that was cut off has left; at start.
    ///
    /// # Errors
    /// When an entry could not be removed.
    pub fn clear_staging(&self) -> io::Result<()> {
        let staging = File::open(self.staging())?;
        for entry in fs::read_dir(self.staging())?.flatten() {
            linux::remove_tree::remove_tree(staging.as_fd(), &entry.file_name().to_string_lossy())?;
        }
        Ok(())
    }
}

/// The image of a manifest and the layers that are installed for it.
pub(crate) fn image_of(
    manifest: &Manifest,
    layers: impl IntoIterator<Item = Digest>,
) -> serde_json::Result<ImageRef> {
    let digest = Digest::from_bytes(&Sha256::digest(serde_json::to_vec(manifest)?).into());
    Ok(ImageRef { digest, layers: layers.into_iter().collect() })
}

struct Layer {
    number: u32,
    entry: ManifestLayer,
    size: Bytes,
}

/// Whether it is a squashfs image, by its first bytes. A pipe is none: such an image has to be read here and there.
fn is_squashfs(archive: &File) -> bool {
    let mut magic = [0; 4];
    archive.read_at(&mut magic, 0).is_ok_and(|n| n == 4 && &magic == b"hsqs")
}

/// How a squashfs image is to be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SquashfsPlan {
    /// Most bytes that the archive of its files may have.
    pub(crate) max: Bytes,
}

/// What a worker has told of an archive that it has unpacked.
#[derive(Default)]
struct Heard {
    manifest: Option<Manifest>,
    layers: Vec<Layer>,
    has_inithooks: bool,
}

fn listen(
    child: &mut Child,
    is_cancelled: &AtomicBool,
    progress: &mut dyn FnMut(Bytes),
) -> Result<Heard, ImportError> {
    let output = child.stdout.take().ok_or_else(|| ImportError::Died("no output".into()))?;
    let (mut heard, mut refused) = (Heard::default(), None);
    for line in BufReader::new(output).lines() {
        if is_cancelled.load(Ordering::Relaxed) {
            let _ = child.kill();
            return Err(ImportError::Cancelled);
        }
        let Some(report) = line.ok().and_then(|l| serde_json::from_str(&l).ok()) else { continue };
        match report {
            Report::Progress(bytes) => progress(bytes),
            Report::Manifest(m) => heard.manifest = Some(*m),
            Report::Inithooks => heard.has_inithooks = true,
            Report::Layer { number, digest, archive_size, size, .. } => {
                let entry = ManifestLayer { digest, size: archive_size };
                heard.layers.push(Layer { number, entry, size });
            }
            Report::Refused(text) => refused = Some(text),
            _ => {}
        }
    }
    refused.map_or(Ok(heard), |text| Err(ImportError::Refused(text)))
}

/// A manifest for an archive that brings none.
#[must_use]
pub fn plain_manifest(name: TemplateName, version: String, now: i64) -> Manifest {
    Manifest {
        format: 1,
        description: format!("Imported root file system {name}"),
        name,
        version,
        architecture: "amd64".into(),
        built: now,
        layers: Vec::new(),
        packages: Vec::new(),
        title: String::new(),
        memory_min: Bytes(0),
        application: model::Application::default(),
        recipe: None,
        sources: Vec::new(),
        files: Vec::new(),
    }
}
