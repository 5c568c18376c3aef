//! Building a template: recipe in, archive out, all work done by a confined worker. A failure or a
//! cancel leaves nothing.

mod sources;

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use model::{
    Digest, TemplateName,
    template::{ContainerTemplate, Manifest, SourceRecord},
};
use thiserror::Error;

use crate::{
    fetch::FetchError,
    import::{ImageStore, Staging},
    process::{self, WorkerError, claim},
    recipe::{Base, Hook, Recipe},
    report::{BuildPlan, Report, SourcePlan},
    source::index::{self, WriteError},
    worker::{mmdebstrap, signature},
};

/// The archive's name in the worker's folder.
pub(crate) const ARCHIVE: &str = "archive.tar.zst";
/// The parent's archive in the worker's folder.
pub(crate) const PARENT: &str = "parent.tar.zst";

/// What to build.
#[derive(Debug)]
pub struct Order<'a> {
    /// From what.
    pub recipe: &'a Recipe,
    /// Archive of the template that it stands on; `None`: of a release of Debian.
    pub parent: Option<&'a Path>,
    /// The recipe's digest, [`Recipe::digest`].
    pub digest: Digest,
    /// Scripts that run last: those of all stages, the lowest first.
    pub finish: Vec<Hook>,
    /// The template's version.
    pub version: String,
    /// Unix seconds: the newest date that anything in the archive bears.
    pub date: i64,
    /// Where packages come from; `None`: mmdebstrap's own default.
    pub mirror: Option<&'a str>,
    /// Beginnings of vendors' URLs, and what takes their place.
    pub source_mirrors: &'a [(String, String)],
    /// What an earlier build of this recipe fetched.
    pub known: &'a [SourceRecord],
}

/// How a build goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// At another step.
    Step(String),
    /// So many percent of it are done.
    Percent(u8),
    /// A line for the log.
    Line(String),
}

/// A template was not built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A tool or Debian's keys are not installed.
    #[error("{path} is missing: apt install {package}")]
    Missing {
        /// What.
        path: &'static str,
        /// Debian's package with it.
        package: &'static str,
    },
    /// A vendor's file cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A vendor's file is not signed as it should be.
    #[error("{url} is not proved")]
    Unproved {
        /// From where.
        url: String,
        /// Why not.
        #[source]
        why: WorkerError,
    },
    /// A vendor's file is another one than it was.
    #[error(
        "{url} was {before} when this was built before, and is {now} now: a version that changes is no good sign; \
         ask the vendor, then remove the template and build it again"
    )]
    Changed {
        /// From where.
        url: String,
        /// What it was.
        before: Digest,
        /// What it is.
        now: Digest,
    },
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A file or folder.
    #[error("cannot write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// A finished archive that is kept by [`Built::keep`] or goes away.
#[derive(Debug)]
pub struct Built<'a> {
    pub(crate) staging: Staging<'a>,
    pub(crate) archive: File,
    pub(crate) name: String,
}

/// What builds need of the host: path and Debian's package.
pub const TOOLS: [(&str, &str); 3] = [mmdebstrap::TOOL, mmdebstrap::KEYRING, signature::TOOL];

/// Whether the host has what builds need.
///
/// # Errors
/// [`BuildError::Missing`] names the package.
pub fn check_tools() -> Result<(), BuildError> {
    for (path, package) in TOOLS {
        if !Path::new(path).exists() {
            return Err(BuildError::Missing { path, package });
        }
    }
    Ok(())
}

impl ImageStore {
    /// Builds an archive. `unique` names the staging folder; `tell` hears how it goes.
    ///
    /// # Errors
    /// [`BuildError`]; nothing is left then.
    pub fn build(
        &self,
        order: &Order<'_>,
        unique: &str,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Built<'_>, BuildError> {
        check_tools()?;
        let staging = self.stage(unique).map_err(|e| BuildError::Io(self.data_dir.clone(), e))?;
        if let Some(parent) = order.parent {
            lend(parent, &staging.folder().join(PARENT)).map_err(|e| BuildError::Io(parent.to_owned(), e))?;
        }
        let folder = staging.folder();
        let (mirrors, known) = (order.source_mirrors, order.known);
        let errand = sources::Errand { store: self, folder: &folder, mirrors, known, is_cancelled };
        let (sources, records) = errand.run(&order.recipe.sources, tell)?;
        let plan = plan(order, sources, records);
        self.run_worker("build", &staging.folder(), &plan, is_cancelled, &mut |report| match report {
            Report::Step(step) => tell(Event::Step(step)),
            Report::Percent(percent) => tell(Event::Percent(percent)),
            Report::Line(line) => tell(Event::Line(line)),
            _ => {}
        })?;
        let path = staging.folder().join(ARCHIVE);
        let archive = claim(&path).map_err(|e| BuildError::Io(path, e))?;
        let name = archive_name(&plan.manifest.name, &plan.manifest.version);
        Ok(Built { staging, archive, name })
    }

    /// Where the archive of a template that was built here lies, as long as nobody has removed it.
    #[must_use]
    pub fn kept_archive(&self, name: &TemplateName, version: &str) -> Option<PathBuf> {
        Some(self.data_dir.join("templates").join(archive_name(name, version))).filter(|p| p.is_file())
    }

    /// Signs the index of the archives that are kept here anew, where there is one; `new` has just got its archive.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn update_index(&self, new: Option<&ContainerTemplate>, now: i64) -> Result<bool, WriteError> {
        let file = new.map(|t| archive_name(&t.name, &t.version));
        let folder = self.data_dir.join("templates");
        let new = new.zip(file.as_deref()).filter(|(_, file)| folder.join(file).is_file());
        Ok(index::update(&folder, &self.data_dir.join("index.key"), now, new)?.is_some())
    }

    /// Removes what [`Built::keep`] has kept; that it is gone is no error.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn remove_archive(&self, name: &TemplateName, version: &str) -> io::Result<()> {
        match fs::remove_file(self.data_dir.join("templates").join(archive_name(name, version))) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

impl Built<'_> {
    /// Another handle on it, to import.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn archive(&self) -> Result<File, BuildError> {
        self.archive.try_clone().map_err(|e| BuildError::Io(self.name.clone().into(), e))
    }

    /// Moves it to its place ([`ImageStore::kept_archive`]); an older one of that name is replaced.
    ///
    /// # Errors
    /// When it cannot be moved; it is gone then.
    pub fn keep(self) -> Result<PathBuf, BuildError> {
        let folder = self.staging.store.data_dir.join("templates");
        let path = folder.join(&self.name);
        let moved = fs::rename(self.staging.folder().join(ARCHIVE), &path)
            .and_then(|()| File::open(&folder)?.sync_all());
        moved.map_err(|e| BuildError::Io(path.clone(), e))?;
        Ok(path)
    }
}

pub(crate) fn archive_name(name: &TemplateName, version: &str) -> String {
    format!("{name}-{version}.tar.zst")
}

fn plan(order: &Order<'_>, sources: Vec<SourcePlan>, records: Vec<SourceRecord>) -> BuildPlan {
    let recipe = order.recipe;
    BuildPlan {
        manifest: Manifest {
            format: 1,
            name: recipe.summary.name.clone(),
            version: order.version.clone(),
            description: recipe.summary.description.clone(),
            architecture: crate::ARCHITECTURE.into(),
            built: order.date,
            layers: Vec::new(),
            packages: Vec::new(),
            title: recipe.summary.title.clone(),
            memory_min: recipe.summary.memory_min,
            application: recipe.summary.application.clone(),
            recipe: Some(order.digest.clone()),
            sources: records,
            files: Vec::new(),
        },
        suite: match &recipe.base {
            Base::Suite(suite) => Some(suite.clone()),
            Base::Stage(_) => None,
        },
        packages: recipe.packages.clone(),
        users: recipe.users.clone(),
        sources,
        files: recipe.files.clone(),
        hooks: recipe.hooks.iter().chain(&order.finish).cloned().collect(),
        mirror: order.mirror.map(str::to_owned),
        proxies: process::proxies(),
    }
}

/// Puts a copy where the worker can read it.
pub(crate) fn lend(archive: &Path, copy: &Path) -> io::Result<()> {
    fs::copy(archive, copy)?;
    fs::set_permissions(copy, Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::idmap::IdRange;

    #[test]
    fn a_kept_archive_goes_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("templates");
        fs::create_dir(&folder).unwrap();
        for name in ["debian-12-1.20260101.tar.zst", "debian-12-1.20260102.tar.zst"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let ids = IdRange::new(1_000_013_824, 1_310_720).unwrap().own_slot();
        let store = ImageStore { data_dir: dir.path().into(), worker: "/nowhere".into(), ids };
        let name = "debian-12".parse().unwrap();
        store.remove_archive(&name, "1.20260101").unwrap();
        store.remove_archive(&name, "1.20260101").unwrap();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["debian-12-1.20260102.tar.zst"]);
    }
}
