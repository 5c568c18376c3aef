//! Starting: cgroups with limits, then the shim, which does the rest. A failure leaves nothing.

use std::io;

use protocol::shim::{LaunchFailure, LaunchReport, ShimInfo, ShimTask};
use thiserror::Error;

use super::ContainerPlan;
use crate::{
    Runtime,
    shims::{SpawnError, describe},
};

/// A container did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its cgroups could not be made or limited.
    #[error("cannot set up the container's cgroups")]
    Cgroup(#[source] io::Error),
    /// The shim could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A step of the launch failed.
    #[error("{}", explain(.0))]
    Launch(LaunchFailure),
}

/// Says what to do where the step tells it.
fn explain(failure: &LaunchFailure) -> String {
    let text = describe(failure);
    let advice = match (failure.step.as_str(), failure.errno) {
        ("exec init", 2) => "the image has no init: make it from a system that has one, such as systemd-sysv",
        ("exec init", 8 | 13) => "the image's init cannot be executed: check its mode and architecture",
        ("map the ids of a layer", _) => {
            "the file system of the data folder cannot show mapped ids: use ext4, xfs or btrfs"
        }
        ("mount the overlay", _) => {
            "the file system of the data folder cannot carry an overlay: use ext4, xfs or btrfs"
        }
        _ => return text,
    };
    format!("{text}: {advice}")
}

impl Runtime {
    /// Starts a container; returns when its init has been executed. The second value names limits that
    /// this host cannot enforce.
    ///
    /// # Errors
    /// [`StartError`]; nothing of the container is left then.
    pub fn start(&self, plan: &ContainerPlan) -> Result<(ShimInfo, Vec<String>), StartError> {
        let group = self.groups.group(plan.vmid.get());
        let prepared = group
            .create(plan.id_map.base().0)
            .and_then(|()| group.apply(&self.group_limits(plan.vmid, &plan.limits)));
        let started = prepared.map_err(StartError::Cgroup).and_then(|unenforced| {
            match self.spawn_shim(plan.vmid, &ShimTask::Launch(self.shim_plan(plan)))? {
                LaunchReport::Launched(info) => Ok((info, unenforced)),
                LaunchReport::Failed(failure) => Err(StartError::Launch(failure)),
                LaunchReport::Injected => Err(SpawnError::Died.into()),
            }
        });
        if started.is_err() {
            self.clear(plan.vmid);
        }
        started
    }

    /// Gives a new shim to a container whose init runs on after its shim has died. Earlier console
    /// output is lost, and how init ends will not be known.
    ///
    /// # Errors
    /// [`StartError`] when there is no such init; what is left is not touched.
    pub fn adopt(&self, plan: &ContainerPlan) -> Result<ShimInfo, StartError> {
        match self.spawn_shim(plan.vmid, &ShimTask::Adopt(self.shim_plan(plan)))? {
            LaunchReport::Launched(info) => Ok(info),
            LaunchReport::Failed(failure) => Err(StartError::Launch(failure)),
            LaunchReport::Injected => Err(SpawnError::Died.into()),
        }
    }

    /// Whether a process of the container is there, with a shim or without.
    #[must_use]
    pub fn has_processes(&self, vmid: model::Vmid) -> bool {
        self.groups.group(vmid.get()).is_populated()
    }

    /// Ends whatever is left of a container that has no shim, and takes its cgroups and socket away.
    pub fn clear(&self, vmid: model::Vmid) {
        let group = self.groups.group(vmid.get());
        let cleared = group.kill(super::stop::KILL_PATIENCE).and_then(|()| group.remove());
        if let Err(error) = cleared {
            tracing::warn!(%vmid, %error, "the container's cgroups could not be removed");
        }
        let _ = std::fs::remove_file(self.socket(vmid));
    }
}
