//! Console and commands: both come back as a viewer socket that the shim serves.

use std::os::fd::OwnedFd;

use model::Vmid;
use protocol::{
    shim::{ExecPlan, ShimReply, ShimRequest},
    viewer::TermSize,
};

use crate::{Runtime, shims::ShimError};

impl Runtime {
    /// Attaches to the console; the scrollback comes first.
    ///
    /// # Errors
    /// [`ShimError::Absent`] when the container does not run.
    pub fn open_console(&self, vmid: Vmid, size: TermSize) -> Result<OwnedFd, ShimError> {
        self.viewer(vmid, &ShimRequest::OpenConsole(size))
    }

    /// Runs a command inside.
    ///
    /// # Errors
    /// [`ShimError::Absent`] when the container does not run.
    pub fn exec(&self, vmid: Vmid, plan: ExecPlan) -> Result<OwnedFd, ShimError> {
        self.viewer(vmid, &ShimRequest::Exec(plan))
    }

    /// Closes all viewers of a container.
    ///
    /// # Errors
    /// [`ShimError::Absent`] when the container does not run.
    pub fn revoke_viewers(&self, vmid: Vmid) -> Result<(), ShimError> {
        self.ask(vmid, &ShimRequest::RevokeViewers).map(|_| ())
    }

    fn viewer(&self, vmid: Vmid, request: &ShimRequest) -> Result<OwnedFd, ShimError> {
        let (reply, mut fds) = self.ask(vmid, request)?;
        match (reply, fds.pop()) {
            (ShimReply::Viewer, Some(fd)) => Ok(fd),
            _ => Err(ShimError::Unexpected(vmid)),
        }
    }
}
