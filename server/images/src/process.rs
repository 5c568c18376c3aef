//! A confined worker from the engine's side: it is started, gets a plan, is listened to, and ends with us.

use std::{
    fs::{File, Permissions},
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

use rustix::fs::OFlags;
use serde::Serialize;
use thiserror::Error;

use crate::{import::ImageStore, report::Report};

/// How soon a cancel is heard.
const PATIENCE: Duration = Duration::from_millis(200);
/// What of the engine's environment a worker with a network gets.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

/// A worker did not do its work.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// It went wrong; the text says what.
    #[error("{0}")]
    Failed(String),
    /// It was cancelled.
    #[error("it was cancelled")]
    Cancelled,
    /// The worker ended without a word.
    #[error("the confined process ended early ({0})")]
    Died(String),
    /// A file or folder.
    #[error("cannot use {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// The host's proxies, as environment variables.
pub(crate) fn proxies() -> Vec<(String, String)> {
    let set = PROXIES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    set.collect()
}

impl ImageStore {
    /// Runs `kiste worker KIND` on a folder of its own to its end.
    ///
    /// # Errors
    /// [`WorkerError`]; nobody of it lives any more then.
    pub(crate) fn run_worker(
        &self,
        kind: &str,
        folder: &Path,
        plan: &impl Serialize,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(Report),
    ) -> Result<(), WorkerError> {
        let io = |e| WorkerError::Io(self.worker.clone(), e);
        let mut command = Command::new(&self.worker);
        let mut child = linux::spawn::with_default_signals(&mut command)
            .args(["worker", kind, &self.ids.base().0.to_string()])
            .arg(folder)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io)?;
        let outcome = converse(&mut child, plan, is_cancelled, tell);
        // The lifeline: without it the worker ends all it has begun, and then itself.
        drop(child.stdin.take());
        let status = child.wait().map_err(io)?;
        outcome?;
        if status.success() { Ok(()) } else { Err(WorkerError::Died(status.to_string())) }
    }
}

/// Hands the plan over and hears the worker out.
fn converse(
    child: &mut Child,
    plan: &impl Serialize,
    is_cancelled: &AtomicBool,
    tell: &mut dyn FnMut(Report),
) -> Result<(), WorkerError> {
    let died = |e: io::Error| WorkerError::Died(e.to_string());
    let mut line = serde_json::to_vec(plan).map_err(|e| WorkerError::Failed(e.to_string()))?;
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
            return Err(WorkerError::Cancelled);
        }
        match reports.recv_timeout(PATIENCE) {
            Ok(Report::Refused(text)) => refused = Some(text),
            Ok(report) => tell(report),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    refused.map_or(Ok(()), |text| Err(WorkerError::Failed(text)))
}

/// Reports by a thread of their own, so that a cancel is heard while the worker waits for the network.
fn listen(output: ChildStdout) -> io::Result<mpsc::Receiver<Report>> {
    let (sender, receiver) = mpsc::sync_channel(64);
    thread::Builder::new().name("worker".into()).spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        for report in lines.filter_map(|l| serde_json::from_str(&l).ok()) {
            if sender.send(report).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

/// Makes a worker's file ours: nobody of its namespace lives any more, but it may be anything.
pub(crate) fn claim(path: &Path) -> io::Result<File> {
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
