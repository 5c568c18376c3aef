//! Ending and pausing: ask init, wait, insist; freeze and thaw.

use std::{
    io,
    time::{Duration, Instant},
};

use linux::cgroup::Frozen;
use model::Vmid;
use protocol::{
    Channel,
    shim::{ExitRecord, ShimInfo, ShimReply, ShimRequest},
};
use thiserror::Error;

use crate::{Runtime, shims::ShimError};

/// How long the kernel gets to end all processes of a container.
pub(crate) const KILL_PATIENCE: Duration = Duration::from_secs(20);
const FREEZE_PATIENCE: Duration = Duration::from_secs(10);
/// How soon it is seen that init listens to another signal now.
const SIGNAL_ROUND: Duration = Duration::from_millis(250);
/// systemd: power off.
const SIGRTMIN_PLUS_4: i32 = 34 + 4;
/// Every other init: power fails.
const SIGPWR: i32 = 30;

/// A container did not end or pause.
#[derive(Debug, Error)]
pub enum StopError {
    /// The shim.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// The cgroup.
    #[error("the processes of container {vmid} do not obey: see the host's kernel log")]
    Cgroup {
        /// Which.
        vmid: Vmid,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How a shutdown ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Init ended by itself.
    Graceful,
    /// The time was up and it was ended.
    Forced,
}

impl Runtime {
    /// Asks init to end; ends it when it has not within `patience`. It cannot be called off: init was asked.
    ///
    /// # Errors
    /// [`StopError`]; the container then still runs.
    pub fn shutdown(&self, vmid: Vmid, patience: Duration) -> Result<Shutdown, StopError> {
        let Some(info) = self.find_shim(vmid)? else {
            self.clear(vmid);
            return Ok(Shutdown::Graceful);
        };
        if info.exit.is_some() {
            self.collect(vmid);
            return Ok(Shutdown::Graceful);
        }
        // Watched from before the signal, so that a quick end is not missed.
        let watch = self.subscribe(vmid)?;
        self.thaw(vmid)?;
        let until = Instant::now() + patience;
        let mut sent = None;
        loop {
            // Just after a start it cannot be seen yet which init it is, and the kernel passes over a signal that it
            // has no ear for: asked again as soon as it is another.
            let signal = if blocks_systemd_signal(info.init_pid) { SIGRTMIN_PLUS_4 } else { SIGPWR };
            if sent != Some(signal) {
                self.ask(vmid, &ShimRequest::SignalInit(signal))?;
                sent = Some(signal);
            }
            let left = until.saturating_duration_since(Instant::now());
            if wait_for_exit(&watch, left.min(SIGNAL_ROUND)) {
                self.collect(vmid);
                return Ok(Shutdown::Graceful);
            }
            if left.is_zero() {
                self.stop(vmid)?;
                return Ok(Shutdown::Forced);
            }
        }
    }

    /// Ends all processes of a container at once.
    ///
    /// # Errors
    /// [`StopError`] when the kernel does not get them down.
    pub fn stop(&self, vmid: Vmid) -> Result<(), StopError> {
        let watch = self.subscribe(vmid).ok();
        let group = self.groups.group(vmid.get());
        group.kill(KILL_PATIENCE).map_err(|source| StopError::Cgroup { vmid, source })?;
        if let Some(watch) = watch {
            wait_for_exit(&watch, KILL_PATIENCE);
        }
        self.collect(vmid);
        Ok(())
    }

    /// Lets a shim whose init has ended go, and takes cgroups and socket away. Gives its exit record.
    pub fn collect(&self, vmid: Vmid) -> Option<ExitRecord> {
        let exit = self.find_shim(vmid).ok().flatten().and_then(|info| info.exit);
        let _ = self.ask(vmid, &ShimRequest::Collect);
        self.clear(vmid);
        exit
    }

    /// Freezes all processes.
    ///
    /// # Errors
    /// [`StopError::Cgroup`] when they do not come to rest; they are thawed again.
    pub fn freeze(&self, vmid: Vmid) -> Result<(), StopError> {
        let group = self.groups.group(vmid.get());
        group.set_frozen(Frozen::Yes, FREEZE_PATIENCE).map_err(|source| {
            let _ = group.set_frozen(Frozen::No, FREEZE_PATIENCE);
            StopError::Cgroup { vmid, source }
        })
    }

    /// Lets all processes go on.
    ///
    /// # Errors
    /// [`StopError::Cgroup`].
    pub fn thaw(&self, vmid: Vmid) -> Result<(), StopError> {
        let group = self.groups.group(vmid.get());
        group.set_frozen(Frozen::No, FREEZE_PATIENCE).map_err(|source| StopError::Cgroup { vmid, source })
    }

    /// Whether a container is frozen.
    #[must_use]
    pub fn is_frozen(&self, vmid: Vmid) -> bool {
        self.groups.group(vmid.get()).is_frozen()
    }

    pub(crate) fn subscribe(&self, vmid: Vmid) -> Result<Channel, ShimError> {
        let channel = Channel::connect(&self.socket(vmid)).map_err(|_| ShimError::Absent(vmid))?;
        let broken = |source| ShimError::Broken { vmid, source };
        channel.send(&ShimRequest::Subscribe, &[]).map_err(broken)?;
        match channel.recv().map_err(broken)? {
            Some((ShimReply::Done, _)) => Ok(channel),
            _ => Err(ShimError::Unexpected(vmid)),
        }
    }
}

/// systemd blocks SIGRTMIN+3 in pid 1, to read it from a descriptor; no other init does.
fn blocks_systemd_signal(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|l| l.strip_prefix("SigBlk:"))
        .and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    mask.is_some_and(|m| m & (1 << (34 + 3 - 1)) != 0)
}

/// `true` when init has ended for good, or the shim is gone; `false` when the time is up.
fn wait_for_exit(watch: &Channel, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match watch.wait_readable(left) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(_) => return true,
        }
        match watch.recv::<ShimReply>() {
            Ok(Some((ShimReply::Event(ShimInfo { exit: None, .. }), _))) => {}
            _ => return true,
        }
    }
}
