//! Calls that open a console or run a command in a container.

use std::os::fd::OwnedFd;

use model::{ContainerStatus, Refusal, Vmid, access::Privilege, refusal::Deed};
use protocol::{
    engine::{
        ApiError,
        calls::{ConsoleKind, ContainerRef, Exec, OpenConsole},
    },
    shim::ExecPlan,
};
use runtime::ShimError;
use serde_json::Value;

use super::{
    containers::find,
    power::{UP, require},
};
use crate::{
    Engine,
    access::Caller,
    server::{Held, Outcome},
};

pub(super) fn exec(engine: &Engine, caller: &Caller, call: &Exec) -> Result<Outcome, ApiError> {
    caller.require_local()?;
    let (row, _) = find(engine, caller, &call.container, Privilege::VmConsole)?;
    require(engine, &row, &[ContainerStatus::Running], Deed::Exec)?;
    viewer(engine.runtime.exec(row.config.vmid, call.plan.clone()))
}

/// The container whose console the caller may open now.
pub(super) fn find_console(engine: &Engine, caller: &Caller, which: &ContainerRef) -> Result<Vmid, ApiError> {
    let (row, _) = find(engine, caller, which, Privilege::VmConsole)?;
    require(engine, &row, &UP, Deed::Console)?;
    Ok(row.config.vmid)
}

pub(super) fn open_console(
    engine: &Engine,
    caller: &Caller,
    call: &OpenConsole,
) -> Result<Outcome, ApiError> {
    let vmid = find_console(engine, caller, &call.container)?;
    if let Some(session) = caller.session() {
        let shown = call.ticket.as_ref().map_or("", |t| t.reveal());
        let ticket = engine.sign_in.redeem(shown, crate::clock::now());
        let is_good = ticket
            .is_some_and(|t| t.session == session.token_hash && t.vmid == vmid && t.console == call.console);
        if !is_good {
            return Err(Refusal::TicketUsedUp.into());
        }
    }
    let mut outcome = viewer(match call.console {
        ConsoleKind::Login => engine.runtime.open_console(vmid, call.size),
        ConsoleKind::Shell => {
            let shell = ExecPlan { argv: vec![], env: vec![], user: None, cwd: None, pty: Some(call.size) };
            engine.runtime.exec(vmid, shell)
        }
    })?;
    if caller.session().is_some()
        && let Some(fd) = outcome.fds.first()
    {
        // Without a hold on it, it would outlive the session.
        let viewer = fd.try_clone().map_err(|e| crate::error::unavailable(&e))?;
        outcome.held = Some(Held { viewer, vmid });
    }
    Ok(outcome)
}

fn viewer(opened: Result<OwnedFd, ShimError>) -> Result<Outcome, ApiError> {
    match opened {
        Ok(fd) => Ok(Outcome { fds: vec![fd], ..Outcome::from(Value::Null) }),
        Err(error) => Err(crate::error::unavailable(&error)),
    }
}
