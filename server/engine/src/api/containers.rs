//! Calls about containers.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use auth::password::HashPasswordError;
use model::{
    Application, ContainerConfig, ContainerStatus, Forward, MacAddress, Refusal, TaskId, Vmid,
    access::{ObjectPath, Privilege},
    application::{Parameter, Transport, Values},
    container::InstalledApplication,
    nic::Nic,
    refusal::{Deed, Thing},
    task::TaskKind,
    template::ContainerTemplate,
};
use protocol::{
    engine::{
        ApiError,
        calls::{
            ConsoleKind, ContainerRef, CreateContainer, DestroyContainer, Exec, GetContainer, OpenConsole,
            RebootContainer, ResumeContainer, SetContainer, ShutdownContainer, StartContainer, StopContainer,
            SuspendContainer,
        },
        view::{ContainerDetail, ContainerSummary, CreatedContainer},
    },
    shim::{ExecPlan, Injection},
};
use runtime::ShimError;
use serde_json::Value;
use store::{ContainerRow, StoreError};

use super::{applications, interface};
use crate::{
    Engine,
    access::{Caller, Grant},
    error::internal,
    observe,
    server::{Held, Outcome},
    tasks::{create as creating, destroy as destroying, power},
};

/// How long init gets when the caller does not say.
const SHUTDOWN_PATIENCE_S: u32 = 60;

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

fn detail(engine: &Engine, caller: &Caller, row: &ContainerRow) -> ContainerDetail {
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
    check_forwards(engine, &call.forwards, &[])?;
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
    if !values.is_empty() {
        injections.push(Injection::Parameters(values));
    }
    let new = creating::New { config: &config, secrets: &secrets, uuid, injections, power: call.power };
    let task = creating::create(engine, new, &grant.user)?;
    Ok(CreatedContainer { vmid, name, task })
}

/// Most forwarded ports of one container.
const FORWARDS_MAX: usize = 64;

/// Refuses ports that a program of the node listens at: it would hear nothing any more. Those that a container
/// has already are its own.
fn check_forwards(engine: &Engine, new: &[Forward], old: &[Forward]) -> Result<(), Refusal> {
    if new.len() > FORWARDS_MAX {
        return Err(Refusal::TooManyForwards { max: FORWARDS_MAX });
    }
    for forward in new.iter().filter(|f| !old.iter().any(|o| (o.host, o.protocol) == (f.host, f.protocol))) {
        let port = format!("{}/{}", forward.host, forward.protocol.as_str());
        let is_twice =
            new.iter().filter(|f| (f.host, f.protocol) == (forward.host, forward.protocol)).count() > 1;
        if is_twice {
            return Err(Refusal::Taken { what: Thing::Port, given: port });
        }
        let anywhere = (std::net::Ipv4Addr::UNSPECIFIED, forward.host);
        let is_free = match forward.protocol {
            Transport::Tcp => std::net::TcpListener::bind(anywhere).is_ok(),
            Transport::Udp => std::net::UdpSocket::bind(anywhere).is_ok(),
        };
        if !is_free || forward.host == engine.config.listen.port() {
            return Err(Refusal::PortInUse { port });
        }
    }
    Ok(())
}

/// The lowest port from 8080 up that no container has and no program listens at.
pub(super) fn free_port(engine: &Engine) -> u16 {
    let rows = engine.store().list_containers().unwrap_or_default();
    let taken: std::collections::BTreeSet<u16> =
        rows.iter().flat_map(|r| r.config.forwards.iter().map(|f| f.host)).collect();
    let is_free = |port: &u16| {
        !taken.contains(port)
            && *port != engine.config.listen.port()
            && std::net::TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, *port)).is_ok()
    };
    (8080..9080).find(is_free).unwrap_or(8080)
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
    check_forwards(engine, &forwards, &row.config.forwards)?;
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

/// Refuses what the status does not allow, before a task is made of it.
fn require(
    engine: &Engine,
    row: &ContainerRow,
    allowed: &[ContainerStatus],
    deed: Deed,
) -> Result<(), Refusal> {
    let status = observe::status(engine, row, None);
    if allowed.contains(&status) {
        return Ok(());
    }
    Err(Refusal::WrongStatus { name: row.config.name.to_string(), status: status.as_str().to_owned(), deed })
}

const DOWN: [ContainerStatus; 2] = [ContainerStatus::Stopped, ContainerStatus::Failed];
const UP: [ContainerStatus; 2] = [ContainerStatus::Running, ContainerStatus::Frozen];

pub(super) fn start(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &StartContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &DOWN, Deed::Start)?;
    power::start(engine, &row, &grant.user)
}

pub(super) fn shutdown(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ShutdownContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &UP, Deed::Shutdown)?;
    power::shutdown(engine, &row, patience(call.timeout_s), &grant.user)
}

fn patience(seconds: Option<u32>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(SHUTDOWN_PATIENCE_S).min(86_400).into())
}

pub(super) fn stop(engine: &Arc<Engine>, caller: &Caller, call: &StopContainer) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &UP, Deed::Stop)?;
    power::stop(engine, &row, &grant.user)
}

pub(super) fn reboot(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &RebootContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &UP, Deed::Reboot)?;
    power::reboot(engine, &row, patience(call.timeout_s), &grant.user)
}

pub(super) fn suspend(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &SuspendContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &[ContainerStatus::Running], Deed::Suspend)?;
    power::pause(engine, &row, TaskKind::Suspend, &grant.user)
}

pub(super) fn resume(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ResumeContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    require(engine, &row, &[ContainerStatus::Frozen], Deed::Resume)?;
    power::pause(engine, &row, TaskKind::Resume, &grant.user)
}

pub(super) fn destroy(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &DestroyContainer,
) -> Result<TaskId, ApiError> {
    let (row, grant) = find(engine, caller, &call.container, Privilege::VmAllocate)?;
    if !call.is_forced {
        require(engine, &row, &DOWN, Deed::Destroy)?;
    }
    destroying::destroy(engine, &row, &grant.user)
}

pub(super) fn exec(engine: &Engine, caller: &Caller, call: &Exec) -> Result<Outcome, ApiError> {
    caller.require_local()?;
    let (row, _) = find(engine, caller, &call.container, Privilege::VmConsole)?;
    require(engine, &row, &[ContainerStatus::Running], Deed::Exec)?;
    viewer(engine.runtime.exec(row.config.vmid, call.plan.clone()))
}

/// The container whose console the caller may open now.
pub(super) fn find_console(engine: &Engine, caller: &Caller, which: &ContainerRef) -> Result<Vmid, ApiError> {
    let (row, _) = find(engine, caller, which, Privilege::VmConsole)?;
    require(engine, &row, &UP, Deed::Console)?;
    Ok(row.config.vmid)
}

pub(super) fn open_console(
    engine: &Engine,
    caller: &Caller,
    call: &OpenConsole,
) -> Result<Outcome, ApiError> {
    let vmid = find_console(engine, caller, &call.container)?;
    if let Some(session) = caller.session() {
        let shown = call.ticket.as_ref().map_or("", |t| t.reveal());
        let ticket = engine.sign_in.redeem(shown, crate::clock::now());
        let is_good = ticket
            .is_some_and(|t| t.session == session.token_hash && t.vmid == vmid && t.console == call.console);
        if !is_good {
            return Err(Refusal::TicketUsedUp.into());
        }
    }
    let mut outcome = viewer(match call.console {
        ConsoleKind::Login => engine.runtime.open_console(vmid, call.size),
        ConsoleKind::Shell => {
            let shell = ExecPlan { argv: vec![], env: vec![], user: None, cwd: None, pty: Some(call.size) };
            engine.runtime.exec(vmid, shell)
        }
    })?;
    if caller.session().is_some()
        && let Some(fd) = outcome.fds.first()
    {
        // Without a hold on it, it would outlive the session.
        let viewer = fd.try_clone().map_err(|e| crate::error::unavailable(&e))?;
        outcome.held = Some(Held { viewer, vmid });
    }
    Ok(outcome)
}

fn viewer(opened: Result<OwnedFd, ShimError>) -> Result<Outcome, ApiError> {
    match opened {
        Ok(fd) => Ok(Outcome { fds: vec![fd], ..Outcome::from(Value::Null) }),
        Err(error) => Err(crate::error::unavailable(&error)),
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
