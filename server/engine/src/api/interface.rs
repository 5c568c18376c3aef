//! Where a container is plugged in: what was asked for, checked against what the host and the other containers have.

use std::net::Ipv4Addr;

use model::{
    Application, ContainerConfig, ContainerStatus, Net0, Nic, Refusal, Vmid,
    application::LanNeed,
    nic::{Lan, LanIp, Place},
    refusal::{Deed, Thing},
};
use network::lan::{self, Fault};
use protocol::engine::ApiError;
use store::ContainerRow;

use crate::{Engine, error::internal, observe};

/// The place in a LAN that was asked for, when it was, with the host's name servers where none are given; refused
/// when the host has no such bridge.
pub(super) fn lan(engine: &Engine, asked: Option<&Net0>) -> Result<Option<Lan>, Refusal> {
    let Some(mut lan) = asked.and_then(|net0| net0.lan.clone()) else { return Ok(None) };
    let name = || lan.bridge.to_string();
    lan::check(&lan.bridge, &engine.config.bridge).map_err(|fault| match fault {
        Fault::Absent(_) => Refusal::NoBridge { name: name() },
        Fault::NoBridge => Refusal::NotABridge { name: name() },
        Fault::Own => Refusal::OwnBridge { name: name() },
        Fault::Others => Refusal::OthersBridge { name: name() },
    })?;
    if let LanIp::Static(ip) = &mut lan.ip
        && ip.dns.is_empty()
    {
        ip.dns = lan::host_name_servers();
    }
    Ok(Some(lan))
}

/// Refuses what an application or port forwards do not go with. `title` is the template's.
pub(super) fn check_fit(
    about: Option<&Application>,
    title: &str,
    lan: Option<&Lan>,
    has_forwards: bool,
) -> Result<(), Refusal> {
    match lan {
        None if about.and_then(|a| a.lan) == Some(LanNeed::Required) => {
            Err(Refusal::LanNeeded { name: title.to_owned() })
        }
        Some(_) if has_forwards => Err(Refusal::ForwardsInLan),
        _ => Ok(()),
    }
}

/// The place, with an address of the instance's own bridge when it is there. `of` is who asks, and keeps the
/// address that it has. To be called while no other container can get one.
pub(super) fn place(
    engine: &Engine,
    lan: Option<Lan>,
    of: Option<&ContainerConfig>,
) -> Result<Place, ApiError> {
    let Some(lan) = lan else {
        if let Some(address) = of.and_then(|c| c.nic.as_ref()?.own_address()) {
            return Ok(Place::Address(address));
        }
        let taken = engine.store().taken_addresses().map_err(|e| internal(&e))?;
        let free = engine.subnet.free_address(&taken);
        return Ok(Place::Address(free.ok_or(Refusal::NoneFree { what: Thing::Address })?));
    };
    if let LanIp::Static(ip) = &lan.ip {
        let address = ip.address.addr();
        let rows = engine.store().list_containers().map_err(|e| internal(&e))?;
        if rows.iter().any(|row| has(row, &lan, address, of.map(|c| c.vmid))) {
            return Err(Refusal::Taken { what: Thing::Address, given: address.to_string() }.into());
        }
    }
    Ok(Place::Lan(lan))
}

/// Whether another container was given this address on this bridge.
fn has(row: &ContainerRow, lan: &Lan, address: Ipv4Addr, but: Option<Vmid>) -> bool {
    let nic = row.config.nic.as_ref();
    let is_there = nic.and_then(Nic::lan).is_some_and(|other| other.bridge == lan.bridge);
    Some(row.config.vmid) != but && is_there && nic.and_then(Nic::address) == Some(address)
}

/// The interface after a change, which the next start tells the system inside; refused while it runs. To be called
/// while no start can read the configuration.
pub(super) fn rewired(engine: &Engine, row: &ContainerRow, asked: &Net0) -> Result<Option<Nic>, ApiError> {
    let config = &row.config;
    let lan = lan(engine, Some(asked))?;
    if let Some(task) = engine.running.task_on(&config.vmid.to_string()) {
        let refusal = Refusal::Busy { name: config.name.to_string(), task: task.to_string() };
        return Err(ApiError { task: Some(task), ..refusal.into() });
    }
    let status = observe::status(engine, row, None);
    if !matches!(status, ContainerStatus::Stopped | ContainerStatus::Failed) {
        let (name, status) = (config.name.to_string(), status.as_str().to_owned());
        return Err(Refusal::WrongStatus { name, status, deed: Deed::Rewire }.into());
    }
    let Some(mac) = asked.mac.or(config.nic.as_ref().map(|n| n.mac)) else { return Ok(None) };
    let place = place(engine, lan, Some(config))?;
    let is_same = config.nic.as_ref().is_some_and(|old| old.place == place && !old.is_due);
    Ok(Some(Nic { mac, place, is_due: !is_same }))
}
