//! Start, shutdown, stop, reboot, suspend, resume.

use std::{sync::Arc, time::Duration};

use model::{PowerState, TaskId, Vmid, access::UserId, task::TaskKind};
use protocol::{engine::ApiError, shim::NicPlan};
use runtime::{ContainerPlan, container::stop::Shutdown};
use store::ContainerRow;

use super::{Failure, Handle, prepare};
use crate::{Engine, error::chain};

/// What a container is to be, from its row.
pub(crate) fn plan(engine: &Engine, row: &ContainerRow) -> Result<ContainerPlan, Failure> {
    let config = &row.config;
    let layers =
        storage::resolve_layers(&engine.config.data_dir, &config.image.layers).map_err(|e| chain(&e))?;
    let id_map =
        engine.config.ids.slot(config.id_slot).ok_or("its id block is outside the configured range")?;
    let mut nics = Vec::new();
    if let Some(endpoint) = crate::recover::endpoint(config) {
        let nic = engine.network.prepare_nic(&endpoint).map_err(|e| chain(&e))?;
        nics.push(NicPlan {
            host_interface: nic.host_interface,
            message: nic.message,
            netns_pid_offset: nic.netns_pid_offset,
        });
    }
    Ok(ContainerPlan {
        vmid: config.vmid,
        hostname: config.hostname.clone(),
        id_map,
        layers,
        own_layer: engine.pool.own_layer(config.vmid),
        limits: config.limits,
        nics,
        uuid: row.uuid.clone(),
    })
}

/// Starts within a task, with what is stored now.
pub(crate) fn start_now(engine: &Engine, handle: &Handle, vmid: Vmid) -> Result<(), Failure> {
    handle.step("start");
    let row = find(engine, vmid)?;
    let started = plan(engine, &row).and_then(|plan| engine.runtime.start(&plan).map_err(|e| chain(&e)));
    let error = started.as_ref().err().map(String::as_str);
    let power = if error.is_none() { PowerState::On } else { PowerState::Off };
    let stored =
        engine.store().set_power(vmid, power).and_then(|()| engine.store().set_last_error(vmid, error));
    let (info, unenforced) = started?;
    {
        let _changing = crate::lock(&engine.changing);
        engine.note_running(info);
        // A change that came while it started saw nothing to apply it to.
        let now = find(engine, vmid)?.config.limits;
        if now != row.config.limits {
            engine.runtime.apply_limits(vmid, &now).map_err(|e| chain(&e))?;
        }
    }
    for limit in unenforced {
        handle.log(&format!("WARN: not enforced on this host: {limit}"));
    }
    stored.map_err(|e| chain(&e))
}

fn find(engine: &Engine, vmid: Vmid) -> Result<ContainerRow, Failure> {
    engine.store().find_container(vmid).map_err(|e| chain(&e))?.ok_or_else(|| "it is gone".into())
}

/// Begins a start.
pub(crate) fn start(engine: &Arc<Engine>, row: &ContainerRow, user: &UserId) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    begin(engine, TaskKind::Start, row, user, move |engine, handle| start_now(engine, handle, vmid))
}

/// Begins a shutdown: init gets `patience`, then the kernel ends all.
pub(crate) fn shutdown(
    engine: &Arc<Engine>,
    row: &ContainerRow,
    patience: Duration,
    user: &UserId,
) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    begin(engine, TaskKind::Shutdown, row, user, move |engine, handle| {
        shutdown_now(engine, handle, vmid, patience)
    })
}

fn shutdown_now(engine: &Engine, handle: &Handle, vmid: Vmid, patience: Duration) -> Result<(), Failure> {
    handle.step("shutdown");
    engine.store().set_power(vmid, PowerState::Off).map_err(|e| chain(&e))?;
    let end = engine.runtime.shutdown(vmid, patience).map_err(|e| chain(&e))?;
    if end == Shutdown::Forced {
        handle.log(&format!("WARN: init did not end within {} s and was ended", patience.as_secs()));
    }
    engine.note_stopped(vmid);
    Ok(())
}

/// Begins a stop.
pub(crate) fn stop(engine: &Arc<Engine>, row: &ContainerRow, user: &UserId) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    begin(engine, TaskKind::Stop, row, user, move |engine, handle| {
        handle.step("stop");
        engine.store().set_power(vmid, PowerState::Off).map_err(|e| chain(&e))?;
        engine.runtime.stop(vmid).map_err(|e| chain(&e))?;
        engine.note_stopped(vmid);
        engine.store().set_last_error(vmid, None).map_err(|e| chain(&e))
    })
}

/// Begins a reboot.
pub(crate) fn reboot(
    engine: &Arc<Engine>,
    row: &ContainerRow,
    patience: Duration,
    user: &UserId,
) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    begin(engine, TaskKind::Reboot, row, user, move |engine, handle| {
        shutdown_now(engine, handle, vmid, patience)?;
        start_now(engine, handle, vmid)
    })
}

/// Begins freezing or thawing.
pub(crate) fn pause(
    engine: &Arc<Engine>,
    row: &ContainerRow,
    kind: TaskKind,
    user: &UserId,
) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    begin(engine, kind, row, user, move |engine, handle| {
        handle.step(kind.as_str());
        let done =
            if kind == TaskKind::Suspend { engine.runtime.freeze(vmid) } else { engine.runtime.thaw(vmid) };
        done.map_err(|e| chain(&e))
    })
}

fn begin(
    engine: &Arc<Engine>,
    kind: TaskKind,
    row: &ContainerRow,
    user: &UserId,
    work: impl FnOnce(&Arc<Engine>, &Handle) -> Result<(), Failure> + Send + 'static,
) -> Result<TaskId, ApiError> {
    prepare(engine, kind, &row.config.vmid.to_string(), row.config.name.as_str(), user)?.run(work)
}
