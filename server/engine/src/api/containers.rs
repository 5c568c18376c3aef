//! Calls about containers.

use std::sync::Arc;

use auth::password::HashPasswordError;
use model::{
    Application, ContainerConfig, MacAddress, Refusal,
    access::{ObjectPath, Privilege},
    application::{Parameter, Preseed, Values, inithooks},
    container::InstalledApplication,
    nic::Nic,
    refusal::Thing,
    template::ContainerTemplate,
};
use protocol::{
    engine::{
        ApiError, Secret,
        calls::{ContainerRef, CreateContainer, GetContainer},
        view::{ContainerDetail, ContainerSummary, CreatedContainer},
    },
    shim::Injection,
};
use store::ContainerRow;

use super::{applications, forwards, interface};
use crate::{
    Engine,
    access::{Caller, Grant},
    error::internal,
    observe,
    tasks::create as creating,
};

/// Finds a container and checks a right on it. Absent and forbidden get the same answer.
pub(super) fn find(
    engine: &Engine,
    caller: &Caller,
    which: &ContainerRef,
    privilege: Privilege,
) -> Result<(ContainerRow, Grant), ApiError> {
    let vmid = match which {
        ContainerRef::Vmid(vmid) => Some(*vmid),
        ContainerRef::Name(name) => engine.store().find_vmid(name.as_str()).map_err(|e| internal(&e))?,
    };
    let row = vmid.map(|v| engine.store().find_container(v)).transpose().map_err(|e| internal(&e))?.flatten();
    let absent = || ApiError::from(Refusal::NoContainer { name: which.to_string() });
    let row = row.ok_or_else(absent)?;
    let object = ObjectPath::Vm(row.config.vmid);
    if !caller.may(Privilege::VmAudit, &object) {
        return Err(absent());
    }
    let grant = caller.authorise(privilege, &object)?;
    Ok((row, grant))
}

pub(super) fn list(engine: &Engine, caller: &Caller) -> Result<Vec<ContainerSummary>, ApiError> {
    let rows = engine.store().list_containers().map_err(|e| internal(&e))?;
    let seen = rows.iter().filter(|r| caller.may(Privilege::VmAudit, &ObjectPath::Vm(r.config.vmid)));
    Ok(seen.map(|row| observe::summary(engine, row)).collect())
}

pub(super) fn get(
    engine: &Engine,
    caller: &Caller,
    call: &GetContainer,
) -> Result<ContainerDetail, ApiError> {
    let (row, _) = find(engine, caller, &call.container, Privilege::VmAudit)?;
    Ok(detail(engine, caller, &row))
}

pub(super) fn detail(engine: &Engine, caller: &Caller, row: &ContainerRow) -> ContainerDetail {
    let vmid = row.config.vmid;
    ContainerDetail {
        summary: observe::summary(engine, row),
        config: row.config.clone(),
        id_base: engine.config.ids.slot(row.config.id_slot).map_or(0, |m| m.base().0),
        usage: observe::usage(engine, vmid),
        privileges: caller.privileges_on(&ObjectPath::Vm(vmid)),
        unenforced: Vec::new(),
        application: applications::view(engine, &row.config),
    }
}

pub(super) fn create(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &CreateContainer,
) -> Result<CreatedContainer, ApiError> {
    let grant =
        caller.authorise(Privilege::VmAllocate, &call.vmid.map_or(ObjectPath::Vms, ObjectPath::Vm))?;
    caller.authorise(Privilege::DatastoreAllocateSpace, &ObjectPath::Storage)?;
    let name = call.hostname.container_name()?;
    let template = engine.store().find_template(&call.template).map_err(|e| internal(&e))?;
    let template = template.ok_or_else(|| Refusal::NoTemplate { name: call.template.to_string() })?;
    let mut defaults = model::Limits::default();
    defaults.memory_max = defaults.memory_max.max(template.memory_min);
    let limits = call.limits.apply_to(defaults);
    limits.check(engine.capacity)?;
    forwards::check(engine, &call.forwards, &[])?;
    let lan = interface::lan(engine, call.net0.as_ref())?;
    if lan.is_some() {
        // Who may make containers may not by that alone put them into any network of the host.
        caller.authorise(Privilege::VmConfigNetwork, &call.vmid.map_or(ObjectPath::Vms, ObjectPath::Vm))?;
    }
    let title = if template.title.is_empty() { template.name.as_str() } else { &template.title };
    interface::check_fit(Some(&template.application), title, lan.as_ref(), !call.forwards.is_empty())?;
    // Two creations at once must not choose the same.
    let _reserving = crate::lock(&engine.reserving);
    let vmid = match call.vmid {
        Some(vmid) => vmid,
        None => free(engine.store().free_vmid().map_err(|e| internal(&e))?, Thing::Vmid)?,
    };
    let slots = engine.store().taken_slots().map_err(|e| internal(&e))?;
    let id_slot = engine.config.ids.free_slot(&slots)?;
    let place = interface::place(engine, lan, None)?;
    let mac = match call.net0.as_ref().and_then(|net0| net0.mac) {
        Some(mac) => mac,
        None => MacAddress::from_random(auth::random::bytes().map_err(|e| internal(&e))?),
    };
    let nic = Nic { mac, place, is_due: false };
    let config = ContainerConfig {
        vmid,
        name: name.clone(),
        hostname: call.hostname.clone(),
        template: call.template.clone(),
        template_version: template.version.clone(),
        image: template.image.clone(),
        id_slot,
        limits,
        nic: Some(nic.clone()),
        is_onboot: call.is_onboot,
        restarts_unhealthy: false,
        forwards: call.forwards.clone(),
        application: None,
        version: 1,
    };
    let uuid = auth::random::uuid().map_err(|e| internal(&e))?;
    let Told { application, secrets, values } = told(engine, call, &template, &config, &uuid)?;
    let config = ContainerConfig { application, ..config };
    let mut injections = vec![Injection::Hostname(call.hostname.clone()), Injection::Network(nic.ip())];
    if let Some(password) = &call.password {
        let hash = auth::hash_root_password(password.reveal()).map_err(|error| match error {
            HashPasswordError::Refused(refusal) => refusal.into(),
            error => internal(&error),
        })?;
        injections.push(Injection::RootPassword(hash));
    }
    if !call.ssh_keys.trim().is_empty() {
        injections.push(Injection::SshKeys(checked_keys(&call.ssh_keys)?));
    }
    match template.application.preseed {
        Some(Preseed::Inithooks) => {
            // Its first boot gives root a password in any case: one that nobody knows, unless there is one.
            let made = auth::random::password(20).map_err(|e| internal(&e))?;
            let root = call.password.as_ref().map_or(made.as_str(), Secret::reveal);
            let variables = inithooks::variables(&values, root, &call.hostname);
            injections.push(Injection::Inithooks(variables));
        }
        None if values.is_empty() => {}
        None => injections.push(Injection::Parameters(values)),
    }
    let new = creating::New {
        config: &config,
        secrets: &secrets,
        uuid,
        injections,
        files: template.files,
        power: call.power,
    };
    let task = creating::create(engine, new, &grant.user)?;
    Ok(CreatedContainer { vmid, name, task })
}

/// What the first boot is told, and what of that is kept.
struct Told {
    application: Option<Box<InstalledApplication>>,
    /// Sealed.
    secrets: Vec<(String, String)>,
    /// In the clear.
    values: Values,
}

fn told(
    engine: &Engine,
    call: &CreateContainer,
    template: &ContainerTemplate,
    config: &ContainerConfig,
    uuid: &str,
) -> Result<Told, ApiError> {
    let about = &template.application;
    // The kernel's random bytes end with the machine only; a value that is too short is refused anyway.
    let make = |length| auth::random::password(length).map(|p| p.to_string()).unwrap_or_default();
    let values = about.complete(&applications::given(&call.parameters), make)?;
    let (kept, open): (Values, Values) = values
        .clone()
        .into_iter()
        .partition(|(name, _)| about.parameter(name).is_some_and(Parameter::is_secret));
    let seal = |(name, value): (String, String)| {
        engine.vault.seal(&applications::owner(config, uuid, &name), &value).map(|sealed| (name, sealed))
    };
    let secrets = kept.into_iter().map(seal).collect::<Result<_, _>>().map_err(|e| internal(&e))?;
    let installed = InstalledApplication {
        title: template.title.clone(),
        version: template.version.clone(),
        about: about.clone(),
        values: open,
    };
    let application = (*about != Application::default()).then(|| Box::new(installed));
    Ok(Told { application, secrets, values })
}

fn free<T>(found: Option<T>, what: Thing) -> Result<T, Refusal> {
    found.ok_or(Refusal::NoneFree { what })
}

/// Keys are lines of printable text with a key type in front.
fn checked_keys(keys: &str) -> Result<String, Refusal> {
    let is_key = |line: &str| {
        let known = ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| line.starts_with(kind));
        known
            && line.len() <= 16_384
            && line.split_ascii_whitespace().count() >= 2
            && !line.contains(char::is_control)
    };
    match keys.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#') && !is_key(l)) {
        None => Ok(keys.lines().map(str::trim).filter(|l| is_key(l)).collect::<Vec<_>>().join("\n")),
        Some(line) => Err(Refusal::NotAnSshKey { given: line.chars().take(30).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_line_by_line() {
        let good = "# mine\nssh-ed25519 AAAAC3Nz anna@box\n\necdsa-sha2-nistp256 AAAA\n";
        assert_eq!(checked_keys(good).unwrap().lines().count(), 2);
        for bad in ["hello", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-rsa AAAA\u{7}"] {
            assert!(checked_keys(bad).is_err(), "{bad}");
        }
    }
}
