//! Start, shutdown, stop, reboot, suspend, resume. All but the last two are journaled: when the engine ends in
//! the middle, the next one does what was asked for.

use std::{sync::Arc, time::Duration};

use model::{ContainerConfig, Nic, PowerState, TaskId, Vmid, access::UserId, task::TaskKind};
use protocol::{
    engine::ApiError,
    shim::{Injection, NicPlan},
};
use runtime::{ContainerPlan, container::stop::Shutdown};
use store::{ContainerRow, JournalEntry, StoreError};

use super::{Failure, Handle, prepare};
use crate::{
    Engine,
    error::{chain, internal},
};

/// What the journal must know beside the verb, to go on with it later.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Order {
    /// How long init gets to end.
    patience: Duration,
    /// When the init that is to end was started: another one is not meant.
    init_start_ticks: u64,
}

impl Order {
    fn of(engine: &Engine, vmid: Vmid, patience: Duration) -> Self {
        Self { patience, init_start_ticks: engine.live().get(&vmid).map_or(0, |i| i.init_start_ticks) }
    }

    fn to_payload(self) -> String {
        format!("{} {}", self.patience.as_secs(), self.init_start_ticks)
    }

    fn from_payload(text: &str) -> Option<Self> {
        let (patience, ticks) = text.split_once(' ')?;
        let patience = Duration::from_secs(patience.parse().ok()?);
        Some(Self { patience, init_start_ticks: ticks.parse().ok()? })
    }
}

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
fn start_now(engine: &Engine, handle: &Handle, vmid: Vmid) -> Result<(), Failure> {
    handle.step("start");
    let row = {
        // A change of the interface ends before this or sees that the container is about to start.
        let _changing = crate::lock(&engine.changing);
        find(engine, vmid)?
    };
    let started = plan(engine, &row).and_then(|plan| {
        tell_network(engine, &row, &plan)?;
        engine.runtime.start(&plan).map_err(|e| chain(&e))
    });
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

/// Tells the system inside of an interface that was changed while it was stopped.
fn tell_network(engine: &Engine, row: &ContainerRow, plan: &ContainerPlan) -> Result<(), Failure> {
    let Some(nic) = row.config.nic.as_ref().filter(|n| n.is_due) else { return Ok(()) };
    engine.runtime.inject(plan, vec![Injection::Network(nic.ip())]).map_err(|e| chain(&e))?;
    let _changing = crate::lock(&engine.changing);
    let config = find(engine, row.config.vmid)?.config;
    let nic = config.nic.clone().map(|nic| Nic { is_due: false, ..nic });
    engine.store().update_container(&ContainerConfig { nic, ..config }).map(|_| ()).map_err(|e| chain(&e))
}

fn find(engine: &Engine, vmid: Vmid) -> Result<ContainerRow, Failure> {
    engine.store().find_container(vmid).map_err(|e| chain(&e))?.ok_or_else(|| "it is gone".into())
}

/// Begins a start.
pub(crate) fn start(engine: &Arc<Engine>, row: &ContainerRow, user: &UserId) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    begin(engine, TaskKind::Start, row, user, Order::default(), move |engine, handle| {
        start_now(engine, handle, vmid)
    })
}

/// Writes down that the task at work goes on to start the container.
pub(crate) fn journal_start(engine: &Engine, handle: &Handle, row: &ContainerRow) -> Result<i64, Failure> {
    let (object, task) = (row.config.vmid.to_string(), handle.id());
    let payload = Order::default().to_payload();
    let entry = engine.store().begin_journal(TaskKind::Start.as_str(), &object, task.as_str(), &payload);
    entry.map_err(|e| chain(&e))
}

/// Starts within a task what [`journal_start`] has written down.
pub(crate) fn start_journaled(
    engine: &Engine,
    handle: &Handle,
    row: &ContainerRow,
    entry: i64,
) -> Result<(), Failure> {
    let _entry = Entry { engine, id: entry };
    start_now(engine, handle, row.config.vmid)
}

/// However it goes, also when it breaks: a task that has ended is not taken up again.
struct Entry<'a> {
    engine: &'a Engine,
    id: i64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.engine.store().finish_journal(self.id) {
            tracing::error!(error = %chain(&error), "a task that has ended stays in the journal");
        }
    }
}

/// Begins a shutdown: init gets `patience`, then the kernel ends all.
pub(crate) fn shutdown(
    engine: &Arc<Engine>,
    row: &ContainerRow,
    patience: Duration,
    user: &UserId,
) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    let order = Order::of(engine, vmid, patience);
    begin(engine, TaskKind::Shutdown, row, user, order, move |engine, handle| {
        shutdown_now(engine, handle, vmid, patience)
    })
}

fn shutdown_now(engine: &Engine, handle: &Handle, vmid: Vmid, patience: Duration) -> Result<(), Failure> {
    handle.step("shutdown");
    let end = engine.runtime.shutdown(vmid, patience).map_err(|e| chain(&e))?;
    if end == Shutdown::Forced {
        handle.log(&format!("WARN: init did not end within {} s and was ended", patience.as_secs()));
    }
    note_off(engine, vmid).map_err(|e| chain(&e))
}

/// It was asked to end and has ended: nothing failed.
fn note_off(engine: &Engine, vmid: Vmid) -> Result<(), StoreError> {
    engine.note_stopped(vmid);
    engine.store().set_power(vmid, PowerState::Off)?;
    engine.store().set_last_error(vmid, None)
}

/// Begins a stop.
pub(crate) fn stop(engine: &Arc<Engine>, row: &ContainerRow, user: &UserId) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    let order = Order::of(engine, vmid, Duration::ZERO);
    begin(engine, TaskKind::Stop, row, user, order, move |engine, handle| {
        handle.step("stop");
        engine.runtime.stop(vmid).map_err(|e| chain(&e))?;
        note_off(engine, vmid).map_err(|e| chain(&e))
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
    let order = Order::of(engine, vmid, patience);
    begin(engine, TaskKind::Reboot, row, user, order, move |engine, handle| {
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
    let name = row.config.name.as_str();
    prepare(engine, kind, &vmid.to_string(), name, user)?.run(move |engine, handle| {
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
    order: Order,
    work: impl FnOnce(&Arc<Engine>, &Handle) -> Result<(), Failure> + Send + 'static,
) -> Result<TaskId, ApiError> {
    let object = row.config.vmid.to_string();
    let prepared = prepare(engine, kind, &object, row.config.name.as_str(), user)?;
    let task = prepared.id().as_str();
    let entry = match engine.store().begin_journal(kind.as_str(), &object, task, &order.to_payload()) {
        Ok(entry) => entry,
        Err(error) => return Err(prepared.refuse(internal(&error))),
    };
    let begun = prepared.run(move |engine, handle| {
        let _entry = Entry { engine, id: entry };
        work(engine, handle)
    });
    if begun.is_err() {
        drop(Entry { engine, id: entry });
    }
    begun
}

/// Whether a journal entry is one of this file's.
pub(crate) fn is_power(entry: &JournalEntry) -> bool {
    kind(entry).is_some()
}

fn kind(entry: &JournalEntry) -> Option<TaskKind> {
    let kinds = [TaskKind::Start, TaskKind::Shutdown, TaskKind::Stop, TaskKind::Reboot];
    kinds.into_iter().find(|k| k.as_str() == entry.operation)
}

/// Goes on, as a task, with what an engine before this one was asked for; running containers are known.
pub(crate) fn resume(engine: &Arc<Engine>, entry: &JournalEntry) -> Result<(), StoreError> {
    let vmid = entry.object.parse::<Vmid>().ok();
    if let Some(row) = vmid.map(|v| engine.store().find_container(v)).transpose()?.flatten() {
        tracing::info!(operation = %entry.operation, vmid = %row.config.vmid, "an operation was cut off and goes on");
        go_on(engine, entry, &row)?;
    }
    // The new task has an entry of its own by now.
    engine.store().finish_journal(entry.id)
}

fn go_on(engine: &Arc<Engine>, entry: &JournalEntry, row: &ContainerRow) -> Result<(), StoreError> {
    let vmid = row.config.vmid;
    let order = Order::from_payload(&entry.payload).unwrap_or_default();
    let by = entry.task.parse::<TaskId>().ok().and_then(|id| id.parts()).map(|p| p.user);
    let user = by.unwrap_or_else(UserId::root);
    let running = engine.live().get(&vmid).map(|i| i.init_start_ticks);
    let is_meant = running.is_none_or(|ticks| ticks == order.init_start_ticks);
    let begun = match (kind(entry), running) {
        (Some(TaskKind::Start | TaskKind::Reboot), None) => start(engine, row, &user),
        (Some(TaskKind::Reboot), Some(_)) if is_meant => reboot(engine, row, order.patience, &user),
        (Some(TaskKind::Shutdown), Some(_)) if is_meant => shutdown(engine, row, order.patience, &user),
        (Some(TaskKind::Stop), Some(_)) if is_meant => stop(engine, row, &user),
        (Some(TaskKind::Shutdown | TaskKind::Stop), None) => return note_off(engine, vmid),
        _ => return Ok(()),
    };
    if let Err(error) = begun {
        tracing::error!(%vmid, operation = %entry.operation, %error, "it could not go on: ask for it again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_back_from_the_journal_as_it_went_in() {
        let order = Order { patience: Duration::from_secs(60), init_start_ticks: 4711 };
        assert_eq!(Order::from_payload(&order.to_payload()), Some(order));
        assert_eq!(Order::from_payload(""), None);
    }
}
