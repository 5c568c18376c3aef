//! Calls about the node.

use model::{
    access::{ObjectPath, Privilege},
    finding::Finding,
};
use protocol::engine::{
    ApiError,
    calls::ListAudit,
    view::{AuditEntry, NodeView},
};

use crate::{Engine, access::Caller, doctor, error::internal, observe};

pub(super) fn get(engine: &Engine, caller: &Caller) -> Result<NodeView, ApiError> {
    caller.authorise(Privilege::SysAudit, &ObjectPath::Node)?;
    let rows = engine.store().list_containers().map_err(|e| internal(&e))?;
    Ok(NodeView {
        node: engine.config.node.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity: engine.capacity,
        memory_promised: observe::memory_promised(engine, &rows),
        memory_available: runtime::host::memory_available(),
        disk_free: engine.pool.free_bytes(),
        cgroup_layout: engine.runtime.cgroup_layout().to_owned(),
        subnet: engine.subnet.to_string(),
        port_free: super::forwards::free_port(engine),
        bridges: network::lan::list(&engine.config.bridge),
    })
}

pub(super) fn doctor(engine: &Engine, caller: &Caller) -> Result<Vec<Finding>, ApiError> {
    caller.authorise(Privilege::SysAudit, &ObjectPath::Node)?;
    Ok(doctor::findings(&engine.config, doctor::Engine::Serving))
}

pub(super) fn audit(engine: &Engine, caller: &Caller, call: &ListAudit) -> Result<Vec<AuditEntry>, ApiError> {
    caller.authorise(Privilege::SysAudit, &ObjectPath::Node)?;
    let rows = engine.store().list_audit(call.limit.min(1000)).map_err(|e| internal(&e))?;
    let entry = |row: store::AuditRow| AuditEntry {
        time: row.time,
        actor: row.actor,
        address: row.address.and_then(|a| a.parse().ok()),
        action: row.action,
        object: row.object,
        result: row.result,
    };
    Ok(rows.into_iter().map(entry).collect())
}
