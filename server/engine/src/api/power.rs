//! Calls that start, end and freeze containers.

use std::{sync::Arc, time::Duration};

use model::{ContainerStatus, Refusal, TaskId, access::Privilege, refusal::Deed, task::TaskKind};
use protocol::engine::{
    ApiError,
    calls::{
        DestroyContainer, RebootContainer, ResumeContainer, ShutdownContainer, StartContainer, StopContainer,
        SuspendContainer,
    },
};
use store::ContainerRow;

use super::containers::find;
use crate::{
    Engine,
    access::Caller,
    observe,
    tasks::{destroy as destroying, power},
};

pub(super) const UP: [ContainerStatus; 2] = [ContainerStatus::Running, ContainerStatus::Frozen];
const DOWN: [ContainerStatus; 2] = [ContainerStatus::Stopped, ContainerStatus::Failed];

/// How long init gets when the caller does not say.
const SHUTDOWN_PATIENCE_S: u32 = 60;

/// Refuses what the status does not allow, before a task is made of it.
pub(super) fn require(
    engine: &Engine,
    row: &ContainerRow,
    allowed: &[ContainerStatus],
    deed: Deed,
) -> Result<(), Refusal> {
    let status = observe::status(engine, row, None);
    if allowed.contains(&status) {
        return Ok(());
    }
    Err(Refusal::WrongStatus { name: row.config.name.to_string(), status: status.as_str().to_owned(), deed })
}

pub(super) fn start(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &StartContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &DOWN, Deed::Start)?;
    power::start(engine, &row, &grant.user)
}

pub(super) fn shutdown(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ShutdownContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &UP, Deed::Shutdown)?;
    power::shutdown(engine, &row, patience(call.timeout_s), &grant.user)
}

fn patience(seconds: Option<u32>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(SHUTDOWN_PATIENCE_S).min(86_400).into())
}

pub(super) fn stop(engine: &Arc<Engine>, caller: &Caller, call: &StopContainer) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &UP, Deed::Stop)?;
    power::stop(engine, &row, &grant.user)
}

pub(super) fn reboot(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &RebootContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &UP, Deed::Reboot)?;
    power::reboot(engine, &row, patience(call.timeout_s), &grant.user)
}

pub(super) fn suspend(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &SuspendContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &[ContainerStatus::Running], Deed::Suspend)?;
    power::pause(engine, &row, TaskKind::Suspend, &grant.user)
}

pub(super) fn resume(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ResumeContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &[ContainerStatus::Frozen], Deed::Resume)?;
    power::pause(engine, &row, TaskKind::Resume, &grant.user)
}

pub(super) fn destroy(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &DestroyContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmAllocate)?;
    if !call.is_forced {
        require(engine, &row, &DOWN, Deed::Destroy)?;
    }
    destroying::destroy(engine, &row, &grant.user)
}
