//! Calls about container templates.

use std::{os::fd::OwnedFd, sync::Arc};

use model::{
    TaskId,
    access::{ObjectPath, Privilege},
    template::ContainerTemplate,
};
use protocol::engine::{
    ApiError, ErrorKind,
    calls::{ImportTemplate, RemoveTemplate},
};

use crate::{Engine, access::Caller, error::internal, server::Outcome, tasks::templates};

pub(super) fn list(engine: &Engine, caller: &Caller) -> Result<Vec<ContainerTemplate>, ApiError> {
    caller.authorise(Privilege::DatastoreAudit, &ObjectPath::Storage)?;
    engine.store().list_templates().map_err(|e| internal(&e))
}

/// An empty file without a name, gone with its last descriptor, for an upload.
pub(super) fn new_spool(engine: &Engine, caller: &Caller) -> Result<Outcome, ApiError> {
    caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let file = storage::new_spool(&engine.config.data_dir).map_err(|e| internal(&e))?;
    Ok(Outcome { fds: vec![file], ..Outcome::from(serde_json::Value::Null) })
}

pub(super) fn import(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ImportTemplate,
    fds: Vec<OwnedFd>,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let archive = fds.into_iter().next();
    let archive = archive.ok_or_else(|| ApiError::invalid("file", "no archive came with the call"))?;
    templates::import(engine, archive, call.name.clone(), &grant.user)
}

pub(super) fn remove(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &RemoveTemplate,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    if engine.store().find_template(&call.template).map_err(|e| internal(&e))?.is_none() {
        let text =
            format!("there is no installed template {}: `kiste template list` shows all", call.template);
        return Err(ApiError::new(ErrorKind::NotFound, text));
    }
    templates::remove(engine, &call.template, &grant.user)
}
