//! Deleting a container: idempotent, so that it can be taken up after a crash at any point.

use std::sync::Arc;

use model::{TaskId, Vmid, access::UserId, task::TaskKind};
use protocol::engine::ApiError;
use store::ContainerRow;

use super::{Failure, prepare};
use crate::{
    Engine,
    error::{chain, internal},
};

/// Begins the task.
pub(crate) fn destroy(engine: &Arc<Engine>, row: &ContainerRow, user: &UserId) -> Result<TaskId, ApiError> {
    let vmid = row.config.vmid;
    let object = vmid.to_string();
    let prepared = prepare(engine, TaskKind::Destroy, &object, row.config.name.as_str(), user)?;
    let journal = match engine.store().begin_journal("destroy", &object, prepared.id().as_str(), "") {
        Ok(journal) => journal,
        Err(error) => return Err(prepared.refuse(internal(&error))),
    };
    prepared.run(move |engine, handle| {
        handle.step("destroy");
        remove_all(engine, vmid)?;
        engine.store().finish_journal(journal).map_err(|e| chain(&e))
    })
}

/// Takes away everything a container has: processes, rules, files, row; what is not there is passed over.
pub(crate) fn remove_all(engine: &Engine, vmid: Vmid) -> Result<(), Failure> {
    if engine.live().contains_key(&vmid) || engine.runtime.list_present().contains(&vmid) {
        engine.runtime.stop(vmid).map_err(|e| chain(&e))?;
        engine.note_stopped(vmid);
    }
    engine.network.expel(vmid).map_err(|e| chain(&e))?;
    engine.pool.destroy(vmid).map_err(|e| chain(&e))?;
    // The row goes last: until then number, ids and address stay taken.
    engine.store().delete_container(vmid).map_err(|e| chain(&e))
}
