//! One container's groups: make, freeze, kill, wait until empty, remove.

use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{make_folder, remove_folder};

/// The folders of one container in all trees.
#[derive(Debug, Clone)]
pub struct Group {
    v2: PathBuf,
    v1: Vec<(&'static str, PathBuf)>,
}

impl Group {
    pub(super) fn new(v2: PathBuf, v1: Vec<(&'static str, PathBuf)>) -> Self {
        Self { v2, v1 }
    }

    /// The v2 folder that freeze and kill act on.
    #[must_use]
    pub fn v2(&self) -> &Path {
        &self.v2
    }

    /// The folder that the container may manage.
    #[must_use]
    pub fn payload(&self) -> PathBuf {
        self.v2.join("payload")
    }

    /// Distinct v1 folders, whose `tasks` the container's processes join.
    #[must_use]
    pub fn v1_folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.v1.iter().map(|(_, f)| f.clone()).collect();
        folders.dedup();
        folders
    }

    pub(super) fn v1(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|(c, _)| *c == controller).map(|(_, f)| f.as_path())
    }

    /// Makes the folders and hands the payload to the container's root (host id `owner`).
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn create(&self, owner: u32) -> io::Result<()> {
        make_folder(&self.v2)?;
        if self.v1.is_empty() {
            super::enable_controllers(&self.v2)?;
        }
        if self.v1("devices").is_none() {
            super::devices::guard_v2(&self.v2)?;
        }
        let payload = self.payload();
        make_folder(&payload)?;
        // What the container makes below has to be taken away again, and costs the kernel memory.
        for (file, limit) in [("cgroup.max.depth", "32"), ("cgroup.max.descendants", "4096")] {
            fs::write(payload.join(file), limit)?;
        }
        for (controller, folder) in &self.v1 {
            make_folder(folder)?;
            match *controller {
                "cpuset" => super::limits::inherit_cpuset(folder)?,
                "devices" => super::devices::guard_v1(folder)?,
                _ => {}
            }
        }
        delegate(&payload, owner)
    }

    /// Freezes all processes and waits until they are, or thaws them.
    ///
    /// # Errors
    /// `TimedOut` when a process does not come to rest.
    pub fn set_frozen(&self, frozen: Frozen, patience: Duration) -> io::Result<()> {
        fs::write(self.v2.join("cgroup.freeze"), if frozen == Frozen::Yes { "1" } else { "0" })?;
        let wanted = if frozen == Frozen::Yes { "frozen 1" } else { "frozen 0" };
        wait_for_event(&self.v2, wanted, patience)
    }

    /// Whether the group is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        fs::read_to_string(self.v2.join("cgroup.events")).is_ok_and(|t| t.lines().any(|l| l == "frozen 1"))
    }

    /// Whether a process is in it.
    #[must_use]
    pub fn is_populated(&self) -> bool {
        super::is_populated(&self.v2)
    }

    /// Ends every process and waits until none is left.
    ///
    /// # Errors
    /// `TimedOut` when one does not end.
    pub fn kill(&self, patience: Duration) -> io::Result<()> {
        match fs::write(self.v2.join("cgroup.kill"), "1") {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result?,
        }
        wait_for_event(&self.v2, "populated 0", patience)
    }

    /// Removes the folders, those that the container made below the payload too. No process may be left.
    ///
    /// # Errors
    /// The first that could not be removed; the others are removed all the same.
    pub fn remove(&self) -> io::Result<()> {
        let mut result = remove_below(&self.v2);
        for folder in self.v1_folders() {
            result = result.and(remove_below(&folder));
        }
        result
    }
}

/// Waits until a line stands in a group's `cgroup.events`.
pub(super) fn wait_for_event(folder: &Path, wanted: &str, patience: Duration) -> io::Result<()> {
    let events = fs::File::open(folder.join("cgroup.events"))?;
    let end = Instant::now() + patience;
    loop {
        let mut text = [0; 256];
        let n = rustix::io::pread(&events, &mut text, 0)?;
        if String::from_utf8_lossy(&text[..n]).lines().any(|l| l == wanted) {
            return Ok(());
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI)];
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&left)))?;
    }
}

/// Which way to turn the freezer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {
    /// Stop all.
    Yes,
    /// Let all go on.
    No,
}

/// Names in cgroupfs cannot be links, so walking by path is safe here; depth is the kernel's limit.
fn remove_below(folder: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_below(&entry.path())?;
        }
    }
    remove_folder(folder)
}

/// Hands a v2 folder over as the kernel's list says (`/sys/kernel/cgroup/delegate`).
fn delegate(folder: &Path, owner: u32) -> io::Result<()> {
    std::os::unix::fs::chown(folder, Some(owner), Some(owner))?;
    let names = fs::read_to_string("/sys/kernel/cgroup/delegate")
        .unwrap_or_else(|_| "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n".to_owned());
    for name in names.lines() {
        match std::os::unix::fs::chown(folder.join(name), Some(owner), Some(owner)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
