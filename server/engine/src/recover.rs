//! After a start: what was cut off is undone or resumed, what runs is found again by looking. A container
//! whose shim has died gets a new one, at a start or at once.

use std::sync::Arc;

use model::{PowerState, TaskId, Vmid, task::TaskState};
use network::Endpoint;
use store::{ContainerRow, JournalEntry, Store, StoreError};

use crate::{Engine, clock, observe, tasks};

/// Where the host's present boot is remembered.
const BOOT: &str = "boot_id";

/// What the network serves: every container with an interface.
pub(crate) fn endpoints(store: &Store) -> Result<Vec<Endpoint>, StoreError> {
    Ok(store.list_containers()?.iter().filter_map(|row| endpoint(&row.config)).collect())
}

/// A container as the network knows it; `None` without an interface.
pub(crate) fn endpoint(config: &model::ContainerConfig) -> Option<Endpoint> {
    let nic = config.nic.clone()?;
    Some(Endpoint { vmid: config.vmid, name: config.name.clone(), nic, forwards: config.forwards.clone() })
}

/// Puts everything right.
pub(crate) fn recover(engine: &Arc<Engine>) -> Result<(), StoreError> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let is_new_boot = engine.store().find_setting(BOOT)?.as_deref() != Some(boot.trim());
    close_tasks(engine)?;
    let (cut_off, others): (Vec<_>, Vec<_>) =
        engine.store().list_journal()?.into_iter().partition(tasks::power::is_power);
    for entry in &others {
        settle(engine, entry)?;
    }
    if let Err(error) = engine.images.clear_staging() {
        tracing::warn!(%error, "left-over staging folders could not be removed");
    }
    tasks::sources::remove_old_parts(engine);
    if let Err(failure) = tasks::templates::remove_unused(engine) {
        tracing::warn!(%failure, "left-over layers could not be removed");
    }
    if let Err(error) = engine.pool.empty_trash() {
        tracing::warn!(error = %crate::error::chain(&error), "the trash could not be emptied");
    }
    adopt(engine)?;
    note_power(engine, is_new_boot)?;
    for entry in &cut_off {
        tasks::power::resume(engine, entry)?;
    }
    if is_new_boot {
        start_onboot(engine)?;
    }
    engine.store().set_setting(BOOT, Some(boot.trim()))
}

/// No task survives its engine: what it had begun is in the journal.
fn close_tasks(engine: &Engine) -> Result<(), StoreError> {
    for task in engine.store().list_running_tasks()? {
        let error =
            Some("the engine ended in the middle: what was begun is undone or finished now".to_owned());
        let ended = Some(clock::now());
        engine.store().put_task(&model::task::Task { state: TaskState::Failed, error, ended, ..task })?;
    }
    engine.store().prune_tasks(clock::now() - 90 * 86_400)
}

/// A creation is undone (its secrets are nowhere any more), a deletion is finished.
fn settle(engine: &Engine, entry: &JournalEntry) -> Result<(), StoreError> {
    if let Ok(vmid) = entry.object.parse::<Vmid>() {
        tracing::info!(operation = %entry.operation, %vmid, "an operation was cut off and is put right");
        if let Err(failure) = tasks::destroy::remove_all(engine, vmid) {
            tracing::error!(%vmid, %failure, "it could not be put right: `kiste destroy` again");
            return Ok(());
        }
    }
    engine.store().finish_journal(entry.id)
}

/// Finds running containers by their shims, cgroups and rows; what belongs to no row is ended.
fn adopt(engine: &Engine) -> Result<(), StoreError> {
    for vmid in engine.runtime.list_present() {
        let row = engine.store().find_container(vmid)?;
        match (engine.runtime.find_shim(vmid), row) {
            (Ok(Some(info)), Some(_)) if info.exit.is_none() => engine.note_running(info),
            (Ok(Some(info)), Some(_)) => {
                engine.runtime.collect(vmid);
                observe::settle_exit(engine, vmid, info.exit.as_ref());
            }
            (Ok(None), Some(row)) if take_over(engine, &row) => {}
            (Ok(_), _) => {
                let _ = engine.runtime.stop(vmid);
            }
            (Err(error), _) => {
                tracing::warn!(%vmid, error = %crate::error::chain(&error), "a shim does not answer");
            }
        }
    }
    Ok(())
}

/// Gives a new shim to a container that runs on although its shim has died; `false` when none does.
pub(crate) fn take_over(engine: &Engine, row: &ContainerRow) -> bool {
    let vmid = row.config.vmid;
    if !engine.runtime.has_processes(vmid) {
        return false;
    }
    let adopted = tasks::power::plan(engine, row)
        .and_then(|plan| engine.runtime.adopt(&plan).map_err(|e| crate::error::chain(&e)));
    match adopted {
        Ok(info) => {
            tracing::warn!(%vmid, "the shim had died, a new one has taken over: earlier console output is lost");
            engine.note_running(info);
            true
        }
        Err(error) => {
            tracing::error!(%vmid, %error, "the shim has died and init could not be taken over: it is ended");
            false
        }
    }
}

/// What is stored becomes what is seen. The host's end took containers down with it, which is no failure.
fn note_power(engine: &Engine, is_new_boot: bool) -> Result<(), StoreError> {
    for row in engine.store().list_containers()? {
        let vmid = row.config.vmid;
        let is_running = engine.live().contains_key(&vmid);
        match row.power {
            PowerState::Off if is_running => engine.store().set_power(vmid, PowerState::On)?,
            PowerState::On if !is_running && is_new_boot => {
                engine.store().set_power(vmid, PowerState::Off)?;
                engine.store().set_last_error(vmid, None)?;
            }
            PowerState::On if !is_running => observe::settle_exit(engine, vmid, None),
            _ => {}
        }
    }
    Ok(())
}

/// After a boot of the host, containers with `onboot` start.
fn start_onboot(engine: &Arc<Engine>) -> Result<(), StoreError> {
    for row in engine.store().list_containers()?.iter().filter(|row| row.config.is_onboot) {
        let vmid = row.config.vmid;
        // In this order: a task that ends in between has left its mark.
        if engine.running.task_on(&vmid.to_string()).is_some() || engine.live().contains_key(&vmid) {
            continue;
        }
        let started = tasks::power::start(engine, row, &model::access::UserId::root());
        let _: Option<TaskId> = started
            .map_err(|error| tracing::error!(%vmid, %error, "a container did not start with the node"))
            .ok();
    }
    Ok(())
}
