//! Calls that change what is decided about a container.

use std::sync::Arc;

use model::{
    ContainerConfig, Refusal, Vmid,
    access::{ObjectPath, Privilege},
    nic::Nic,
};
use protocol::engine::{ApiError, calls::SetContainer, view::ContainerDetail};
use store::{ContainerRow, StoreError};

use super::{
    containers::{detail, find},
    forwards, interface,
};
use crate::{Engine, access::Caller, error::internal, observe};

pub(super) fn set(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &SetContainer,
) -> Result<ContainerDetail, ApiError> {
    // Two changes at once, or one while a start ends, must leave kernel and database with the same limits.
    let _changing = crate::lock(&engine.changing);
    let (row, _) = find(engine, caller, &call.container, Privilege::VmAudit)?;
    let object = ObjectPath::Vm(row.config.vmid);
    for privilege in needed(call) {
        caller.authorise(privilege, &object)?;
    }
    if call.version.is_some_and(|v| v != row.config.version) {
        return Err(stale());
    }
    let limits = call.limits.apply_to(row.config.limits);
    limits.check(engine.capacity)?;
    let is_onboot = call.is_onboot.unwrap_or(row.config.is_onboot);
    let restarts_unhealthy = call.restarts_unhealthy.unwrap_or(row.config.restarts_unhealthy);
    let old = row.config.limits;
    let forwards = call.forwards.clone().unwrap_or_else(|| row.config.forwards.clone());
    forwards::check(engine, &forwards, &row.config.forwards)?;
    // Two at once must not get the same address.
    let _reserving = crate::lock(&engine.reserving);
    let nic = match &call.net0 {
        Some(asked) => interface::rewired(engine, &row, asked)?,
        None => row.config.nic.clone(),
    };
    let installed = row.config.application.as_ref();
    let title = installed.map_or("", |a| a.title.as_str());
    let lan = nic.as_ref().and_then(Nic::lan);
    interface::check_fit(installed.map(|a| &a.about), title, lan, !forwards.is_empty())?;
    let config =
        ContainerConfig { limits, is_onboot, restarts_unhealthy, forwards, nic, ..row.config.clone() };
    let is_applied = engine.live().contains_key(&config.vmid) && limits != old;
    if is_applied {
        apply_live(engine, config.vmid, &limits, &old)?;
    }
    let config = engine.store().update_container(&config).map_err(|error| {
        if is_applied {
            let _ = engine.runtime.apply_limits(row.config.vmid, &old);
        }
        match error {
            StoreError::Stale => stale(),
            StoreError::Taken { what, given } => Refusal::Taken { what, given }.into(),
            error => internal(&error),
        }
    })?;
    if let Some(endpoint) =
        crate::recover::endpoint(&config).filter(|_| call.forwards.is_some() || call.net0.is_some())
    {
        engine.network.admit(endpoint).map_err(|e| crate::error::unavailable(&e))?;
    }
    observe::tell(engine, config.vmid);
    Ok(detail(engine, caller, &ContainerRow { config, ..row }))
}

/// The kernel first: what it refuses is not stored, and what was half written is put back.
fn apply_live(engine: &Engine, vmid: Vmid, new: &model::Limits, old: &model::Limits) -> Result<(), ApiError> {
    engine.runtime.apply_limits(vmid, new).map(|_| ()).map_err(|error| {
        let _ = engine.runtime.apply_limits(vmid, old);
        Refusal::LimitsRefused { reason: error.to_string() }.into()
    })
}

fn needed(call: &SetContainer) -> Vec<Privilege> {
    let l = &call.limits;
    [
        (l.memory_max.is_some() || l.swap_max.is_some(), Privilege::VmConfigMemory),
        (l.cores.is_some() || l.cpulimit.is_some() || l.cpuunits.is_some(), Privilege::VmConfigCpu),
        (
            l.pids_max.is_some() || call.is_onboot.is_some() || call.restarts_unhealthy.is_some(),
            Privilege::VmConfigOptions,
        ),
        (call.forwards.is_some() || call.net0.is_some(), Privilege::VmConfigNetwork),
    ]
    .into_iter()
    .filter_map(|(is_asked, privilege)| is_asked.then_some(privilege))
    .collect()
}

fn stale() -> ApiError {
    Refusal::Stale.into()
}
