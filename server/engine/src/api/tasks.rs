//! Calls about tasks, and subscriptions.

use std::sync::Arc;

use model::{
    Refusal, TaskId, Vmid,
    access::{ObjectPath, Privilege},
    task::Task,
};
use protocol::engine::{
    ApiError,
    calls::{CancelTask, GetTaskLog, ListTasks, Subscribe},
    events::Topic,
};
use serde_json::Value;

use crate::{Engine, access::Caller, error::internal, server::Outcome};

/// Most rows of one answer.
const ROWS_MAX: u32 = 1000;

/// A task may be seen by who began it, who may see its object, and who may see the node.
pub(crate) fn may_see(caller: &Caller, task: &Task) -> bool {
    let object = task.object.parse::<Vmid>().map_or(ObjectPath::Node, ObjectPath::Vm);
    Some(&task.user) == caller.actor()
        || caller.may(Privilege::SysAudit, &ObjectPath::Node)
        || caller.may(Privilege::VmAudit, &object) && object != ObjectPath::Node
}

/// Tasks at work that the caller may see.
pub(super) fn count_running(engine: &Engine, caller: &Caller) -> usize {
    let tasks = engine.running.ids().into_iter().filter_map(|id| engine.store().find_task(&id).ok()?);
    tasks.filter(|task| may_see(caller, task)).count()
}

pub(super) fn list(engine: &Engine, caller: &Caller, call: &ListTasks) -> Result<Vec<Task>, ApiError> {
    let object = call.container.map(|v| v.to_string());
    let tasks =
        engine.store().list_tasks(call.limit.min(ROWS_MAX), object.as_deref()).map_err(|e| internal(&e))?;
    Ok(tasks.into_iter().filter(|t| may_see(caller, t)).collect())
}

pub(super) fn get(engine: &Engine, caller: &Caller, id: &TaskId) -> Result<Task, ApiError> {
    let task = engine.store().find_task(id).map_err(|e| internal(&e))?.filter(|t| may_see(caller, t));
    task.ok_or_else(|| ApiError::from(Refusal::NoTask { name: id.to_string() }))
}

pub(super) fn log(engine: &Engine, caller: &Caller, call: &GetTaskLog) -> Result<Vec<String>, ApiError> {
    get(engine, caller, &call.task)?;
    engine.store().list_task_log(&call.task, call.from).map_err(|e| internal(&e))
}

pub(super) fn cancel(engine: &Engine, caller: &Caller, call: &CancelTask) -> Result<(), ApiError> {
    let task = get(engine, caller, &call.task)?;
    if Some(&task.user) != caller.actor() {
        caller.authorise(Privilege::SysModify, &ObjectPath::Node)?;
    }
    if engine.running.cancel(&call.task) {
        return Ok(());
    }
    Err(Refusal::TaskEnded.into())
}

pub(super) fn subscribe(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &Subscribe,
) -> Result<Outcome, ApiError> {
    for topic in &call.topics {
        match topic {
            Topic::Task(id) => drop(get(engine, caller, id)?),
            Topic::Container(vmid) => drop(caller.authorise(Privilege::VmAudit, &ObjectPath::Vm(*vmid))?),
            Topic::Containers | Topic::Tasks => {}
        }
    }
    let listener = engine.hub.subscribe(call.topics.clone());
    Ok(Outcome { stream: Some(listener), ..Outcome::from(Value::Null) })
}
