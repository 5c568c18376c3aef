//! The engine's side of containers: cgroups, plans, shims, figures.
//!
//! | part | task | in → out |
//! | --- | --- | --- |
//! | [`policy`] | what a container may do | → capabilities, rlimits, system call filter |
//! | [`container::start`] | a container on its feet | [`ContainerPlan`] → init's id |
//! | [`container::stop`] | shut down, kill, freeze, thaw | |
//! | [`container::reach`] | console, exec | → viewer socket |
//! | [`container::stats`] | one reading | → `ContainerStats` |
//! | [`delegation`] | the instance's cgroups, where systemd wants them |
//! | [`shims`] | sockets of the shims, who is there | |
//! | [`watch`] | one thread that hears of every exit and reboot | → callback |
//!
//! It knows no user, no task and no HTTP, and it keeps no state of its own: what it says about a
//! container it has just asked of the shim and the kernel, so a new engine finds all of them again.

pub mod container;
mod delegation;
pub mod host;
mod policy;
mod shims;
mod watch;

use std::{io, os::fd::OwnedFd, path::PathBuf};

use linux::cgroup::{Instance, Layout};
use model::BridgeName;
use thiserror::Error;

pub use container::{ContainerPlan, start::StartError, stop::StopError};
pub use shims::ShimError;
pub use watch::Watcher;

/// The shim's binary, built by the build script.
const SHIM: &[u8] = include_bytes!(env!("KISTE_SHIM_FILE"));

/// Everything that containers of one instance share.
#[derive(Debug)]
pub struct Runtime {
    groups: Instance,
    sockets: PathBuf,
    shim: OwnedFd,
    seccomp: Vec<u8>,
    cores: u32,
}

/// The runtime cannot serve on this host.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// No cgroup tree, or not ours to write.
    #[error("cannot use the host's cgroups: `kiste doctor` says what is missing")]
    Cgroups(#[source] io::Error),
    /// The folder for sockets.
    #[error("cannot make {0}")]
    Sockets(PathBuf, #[source] io::Error),
    /// The shim's memfd.
    #[error("cannot prepare the shim")]
    Shim(#[source] io::Error),
    /// libseccomp refused.
    #[error("cannot compile the system call filter")]
    Seccomp(#[source] io::Error),
}

impl Runtime {
    /// Prepares the runtime of one instance; `run_dir` exists and is root's alone.
    ///
    /// # Errors
    /// [`RuntimeError`] says what the host lacks.
    pub fn new(run_dir: &std::path::Path, bridge: &BridgeName) -> Result<Self, RuntimeError> {
        let layout = Layout::detect().map_err(RuntimeError::Cgroups)?;
        let groups = delegation::ensure(layout, bridge.as_str()).map_err(RuntimeError::Cgroups)?;
        let sockets = run_dir.join("shim");
        match std::fs::create_dir(&sockets) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(RuntimeError::Sockets(sockets, e));
            }
            _ => {}
        }
        let shim = linux::spawn::sealed_memfd("kiste-shim", SHIM).map_err(RuntimeError::Shim)?;
        let seccomp = policy::system_call_filter().map_err(RuntimeError::Seccomp)?;
        let cores = host::capacity().cores;
        Ok(Self { groups, sockets, shim, seccomp, cores })
    }

    /// `v2` or `hybrid`.
    #[must_use]
    pub fn cgroup_layout(&self) -> &'static str {
        if self.groups.layout().is_hybrid() { "hybrid" } else { "v2" }
    }

    /// A group of the instance for a service that must outlive the engine; the caller makes it.
    #[must_use]
    pub fn service_group(&self, name: &str) -> PathBuf {
        self.groups.shims().with_file_name(name)
    }

    /// Takes the instance's cgroups and socket folder away; no container may be left.
    ///
    /// # Errors
    /// The first that could not be removed.
    pub fn remove(&self) -> io::Result<()> {
        delegation::remove(&self.groups).and(std::fs::remove_dir(&self.sockets))
    }
}
