//! Talking to a shim: one short connection a call.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use model::Vmid;
use protocol::{
    Channel, ChannelError,
    channel::listen_at,
    shim::{LaunchFailure, LaunchReport, ShimInfo, ShimReply, ShimRequest, ShimTask},
};
use thiserror::Error;

use crate::Runtime;

/// A shim did not do what it was asked.
#[derive(Debug, Error)]
pub enum ShimError {
    /// Nobody answers at its socket.
    #[error("container {0} does not run")]
    Absent(Vmid),
    /// The conversation broke off.
    #[error("the shim of container {vmid} does not answer")]
    Broken {
        /// Which.
        vmid: Vmid,
        /// Why.
        #[source]
        source: ChannelError,
    },
    /// It refused or failed.
    #[error("{}", describe(.0))]
    Failed(LaunchFailure),
    /// It answered something else.
    #[error("the shim of container {0} speaks another language: restart the container")]
    Unexpected(Vmid),
}

/// A failure in a sentence: `cannot mount the overlay: Invalid argument (path)`.
pub(crate) fn describe(failure: &LaunchFailure) -> String {
    let mut text = format!("cannot {}", failure.step);
    if failure.errno != 0 {
        let error = io::Error::from_raw_os_error(failure.errno).to_string();
        text = format!("{text}: {}", error.split(" (os error").next().unwrap_or_default());
    }
    if failure.detail.is_empty() { text } else { format!("{text} ({})", failure.detail) }
}

impl Runtime {
    pub(crate) fn socket(&self, vmid: Vmid) -> PathBuf {
        self.sockets.join(format!("{vmid}.sock"))
    }

    /// Starts a shim and waits for its report.
    pub(crate) fn spawn_shim(&self, vmid: Vmid, task: &ShimTask) -> Result<LaunchReport, SpawnError> {
        let text = protocol::channel::to_bytes(task).map_err(SpawnError::Channel)?;
        let task_fd = linux::spawn::sealed_memfd("task", &text).map_err(SpawnError::Io)?;
        let (ours, theirs) = Channel::pair().map_err(SpawnError::Channel)?;
        let socket = self.socket(vmid);
        let listener = match task {
            ShimTask::Launch(_) | ShimTask::Adopt(_) => {
                let _ = std::fs::remove_file(&socket);
                listen_at(&socket).map_err(SpawnError::Channel)?
            }
            // Descriptor 4 has to be something.
            ShimTask::Inject(..) => task_fd.try_clone().map_err(SpawnError::Io)?,
        };
        let cgroup = File::open(self.groups.shims()).map_err(SpawnError::Io)?;
        let id = vmid.to_string();
        linux::spawn::spawn_detached(&linux::spawn::Detached {
            program: self.shim.as_fd(),
            name: "kiste-shim",
            argument: &id,
            descriptors: &[task_fd.as_fd(), listener.as_fd(), theirs.as_fd()],
            cgroup: Some(cgroup.as_fd()),
        })
        .map_err(SpawnError::Io)?;
        drop(theirs);
        ours.recv().map_err(SpawnError::Channel)?.map(|(report, _)| report).ok_or(SpawnError::Died)
    }

    /// Asks a shim; descriptors ride on some answers.
    pub(crate) fn ask(
        &self,
        vmid: Vmid,
        request: &ShimRequest,
    ) -> Result<(ShimReply, Vec<OwnedFd>), ShimError> {
        let channel = Channel::connect(&self.socket(vmid)).map_err(|_| ShimError::Absent(vmid))?;
        let broken = |source| ShimError::Broken { vmid, source };
        channel.send(request, &[]).map_err(broken)?;
        match channel.recv().map_err(broken)? {
            Some((ShimReply::Failed(failure), _)) => Err(ShimError::Failed(failure)),
            Some(answer) => Ok(answer),
            None => Err(ShimError::Absent(vmid)),
        }
    }

    /// Who the shim of a container is; `None` when there is none.
    ///
    /// # Errors
    /// When one is there but does not answer as it should.
    pub fn find_shim(&self, vmid: Vmid) -> Result<Option<ShimInfo>, ShimError> {
        match self.ask(vmid, &ShimRequest::Info) {
            Ok((ShimReply::Info(info), _)) => Ok(Some(info)),
            Ok(_) => Err(ShimError::Unexpected(vmid)),
            Err(ShimError::Absent(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Numbers of all containers that left a socket or a cgroup, running or not.
    #[must_use]
    pub fn list_present(&self) -> Vec<Vmid> {
        let sockets = std::fs::read_dir(&self.sockets).into_iter().flatten().flatten();
        let by_socket = sockets.filter_map(|e| e.file_name().to_str()?.strip_suffix(".sock")?.parse().ok());
        let by_group = self.groups.list().unwrap_or_default().into_iter().filter_map(|n| n.try_into().ok());
        let all: std::collections::BTreeSet<Vmid> = by_socket.chain(by_group).collect();
        all.into_iter().collect()
    }
}

/// A shim could not be started at all.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// A descriptor, process or cgroup.
    #[error("cannot start a shim")]
    Io(#[source] io::Error),
    /// Its socket.
    #[error("cannot talk to the shim")]
    Channel(#[source] ChannelError),
    /// It ended without a word.
    #[error("the shim ended without a report")]
    Died,
}
