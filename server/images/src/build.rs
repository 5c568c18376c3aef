//! Building a template: recipe in, archive out, all work done by a confined worker. A failure or a
//! cancel leaves nothing.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use model::{Digest, TemplateName, template::Manifest};
use rustix::fs::OFlags;
use thiserror::Error;

use crate::{
    import::{ImageStore, Staging},
    recipe::{Base, Hook, Recipe},
    report::{BuildPlan, Report},
    worker::mmdebstrap,
};

/// The archive's name in the worker's folder.
pub(crate) const ARCHIVE: &str = "archive.tar.zst";
/// The parent's archive in the worker's folder.
pub(crate) const PARENT: &str = "parent.tar.zst";
/// How soon a cancel is heard.
const PATIENCE: Duration = Duration::from_millis(200);
/// What of the engine's environment a build gets.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

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
    /// It went wrong; the text says what.
    #[error("{0}")]
    Failed(String),
    /// It was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// The worker ended without a word.
    #[error("the building process ended early ({0})")]
    Died(String),
    /// A file or folder.
    #[error("cannot write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// A finished archive that is kept by [`Built::keep`] or goes away.
#[derive(Debug)]
pub struct Built<'a> {
    staging: Staging<'a>,
    archive: File,
    name: String,
}

/// What builds need of the host: path and Debian's package.
pub const TOOLS: [(&str, &str); 2] = [mmdebstrap::TOOL, mmdebstrap::KEYRING];

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
        let plan = plan(order);
        let mut child = self.spawn_build(&staging.folder())?;
        let outcome = converse(&mut child, &plan, is_cancelled, tell);
        // The lifeline: without it the worker ends all it has begun, and then itself.
        drop(child.stdin.take());
        let status = child.wait().map_err(|e| BuildError::Io(self.worker.clone(), e))?;
        outcome?;
        if !status.success() {
            return Err(BuildError::Died(status.to_string()));
        }
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

    fn spawn_build(&self, folder: &Path) -> Result<Child, BuildError> {
        let mut command = Command::new(&self.worker);
        linux::spawn::with_default_signals(&mut command)
            .args(["worker", "build", &self.ids.base().0.to_string()])
            .arg(folder)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| BuildError::Io(self.worker.clone(), e))
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

fn archive_name(name: &TemplateName, version: &str) -> String {
    format!("{name}-{version}.tar.zst")
}

fn plan(order: &Order<'_>) -> BuildPlan {
    let recipe = order.recipe;
    let proxies = PROXIES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    BuildPlan {
        manifest: Manifest {
            format: 1,
            name: recipe.summary.name.clone(),
            version: order.version.clone(),
            description: recipe.summary.description.clone(),
            architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }.into(),
            built: order.date,
            layers: Vec::new(),
            packages: Vec::new(),
            title: recipe.summary.title.clone(),
            memory_min: recipe.summary.memory_min,
            application: recipe.summary.application.clone(),
            recipe: Some(order.digest.clone()),
        },
        suite: match &recipe.base {
            Base::Suite(suite) => Some(suite.clone()),
            Base::Stage(_) => None,
        },
        packages: recipe.packages.clone(),
        users: recipe.users.clone(),
        files: recipe.files.clone(),
        hooks: recipe.hooks.iter().chain(&order.finish).cloned().collect(),
        mirror: order.mirror.map(str::to_owned),
        proxies: proxies.collect(),
    }
}

/// Puts a copy where the worker can read it.
fn lend(archive: &Path, copy: &Path) -> io::Result<()> {
    fs::copy(archive, copy)?;
    fs::set_permissions(copy, Permissions::from_mode(0o644))
}

/// Hands the plan over and hears the worker out.
fn converse(
    child: &mut Child,
    plan: &BuildPlan,
    is_cancelled: &AtomicBool,
    tell: &mut dyn FnMut(Event),
) -> Result<(), BuildError> {
    let died = |e: io::Error| BuildError::Died(e.to_string());
    let mut line = serde_json::to_vec(plan).map_err(|e| BuildError::Failed(e.to_string()))?;
    line.push(b'\n');
    child
        .stdin
        .as_mut()
        .ok_or_else(|| died(io::ErrorKind::BrokenPipe.into()))?
        .write_all(&line)
        .map_err(died)?;
    let output = child.stdout.take().ok_or_else(|| died(io::ErrorKind::BrokenPipe.into()))?;
    let reports = listen(output).map_err(died)?;
    let mut refused = None;
    loop {
        if is_cancelled.load(Ordering::Relaxed) {
            return Err(BuildError::Cancelled);
        }
        match reports.recv_timeout(PATIENCE) {
            Ok(Report::Step(step)) => tell(Event::Step(step)),
            Ok(Report::Percent(percent)) => tell(Event::Percent(percent)),
            Ok(Report::Line(line)) => tell(Event::Line(line)),
            Ok(Report::Refused(text)) => refused = Some(text),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    refused.map_or(Ok(()), |text| Err(BuildError::Failed(text)))
}

/// Reports by a thread of their own, so that a cancel is heard while the worker waits for the network.
fn listen(output: ChildStdout) -> io::Result<mpsc::Receiver<Report>> {
    let (sender, receiver) = mpsc::sync_channel(64);
    thread::Builder::new().name("build".into()).spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        for report in lines.filter_map(|l| serde_json::from_str(&l).ok()) {
            if sender.send(report).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

/// Makes the worker's file ours: nobody of its namespace lives any more, but it may be anything.
fn claim(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fchown(&file, Some(0), Some(0))?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.sync_all()?;
    Ok(file)
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
