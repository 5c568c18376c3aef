//! Importing an archive: staging folder, confined worker, rename into place. A failure leaves nothing.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use model::{
    Bytes, Digest, TemplateName,
    idmap::IdMap,
    template::{ImageRef, Manifest, ManifestLayer},
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::report::Report;

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

    /// Imports an archive of ours, or any root file system as tar with zstd, xz or gzip. `unique` names
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
        let mut child = self.spawn(archive, &folder)?;
        let outcome = listen(&mut child, is_cancelled, progress);
        let status = child.wait().map_err(|e| ImportError::Io(self.worker.clone(), e))?;
        let (manifest, layers) = outcome?;
        if !status.success() {
            return Err(ImportError::Died(status.to_string()));
        }
        let manifest = match manifest {
            Some(manifest) => manifest,
            None => {
                let named = fallback().ok_or(ImportError::NoName)?;
                Manifest { layers: layers.iter().map(|l| l.entry.clone()).collect(), ..named }
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

fn listen(
    child: &mut Child,
    is_cancelled: &AtomicBool,
    progress: &mut dyn FnMut(Bytes),
) -> Result<(Option<Manifest>, Vec<Layer>), ImportError> {
    let output = child.stdout.take().ok_or_else(|| ImportError::Died("no output".into()))?;
    let (mut manifest, mut layers, mut refused) = (None, Vec::new(), None);
    for line in BufReader::new(output).lines() {
        if is_cancelled.load(Ordering::Relaxed) {
            let _ = child.kill();
            return Err(ImportError::Cancelled);
        }
        let Some(report) = line.ok().and_then(|l| serde_json::from_str(&l).ok()) else { continue };
        match report {
            Report::Progress(bytes) => progress(bytes),
            Report::Manifest(m) => manifest = Some(*m),
            Report::Layer { number, digest, archive_size, size, .. } => {
                layers.push(Layer { number, entry: ManifestLayer { digest, size: archive_size }, size });
            }
            Report::Refused(text) => refused = Some(text),
            Report::Step(_) | Report::Percent(_) | Report::Line(_) | Report::Expect(_) => {}
        }
    }
    match refused {
        Some(text) => Err(ImportError::Refused(text)),
        None => Ok((manifest, layers)),
    }
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
    }
}
