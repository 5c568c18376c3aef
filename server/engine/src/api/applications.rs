//! Calls about the application in a container: its access card, its first boot.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use model::{
    ContainerConfig, Forward,
    access::{ObjectPath, Privilege},
    application::{Transport, Values, fill},
};
use protocol::engine::{
    ApiError, Secret,
    calls::{RetryFirstBoot, RevealPassword},
    view::ApplicationView,
};

use super::containers;
use crate::{Engine, access::Caller, applications, error::internal, error::unavailable, observe};

/// Changes of health that a page shows.
const HISTORY: u32 = 20;
/// How long the scripts may take to be started again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(900);

/// What the access card and the health of a container show; `None`: it has no application.
pub(super) fn view(engine: &Engine, config: &ContainerConfig) -> Option<ApplicationView> {
    let installed = config.application.as_ref()?;
    let address = observe::addresses(engine, config).first().map(ToString::to_string).unwrap_or_default();
    let filled = |text: &String| fill(text, &address, &installed.values);
    let url = |text: &String| outside(engine, config, text).unwrap_or_else(|| filled(text));
    let access = installed.about.access.as_ref();
    let seen = applications::seen(engine, config.vmid);
    Some(ApplicationView {
        title: installed.title.clone(),
        version: installed.version.clone(),
        url: access.and_then(|a| a.url.as_ref()).filter(|_| !address.is_empty()).map(url),
        user: access.and_then(|a| a.user.as_ref()).map(filled),
        has_password: access.is_some_and(|a| a.password.is_some()),
        next: access.map(|a| a.next.clone()).unwrap_or_default(),
        values: installed.values.clone(),
        first_boot: seen.as_ref().map(|s| s.first_boot.clone()).unwrap_or_default(),
        health: seen.map(|s| s.health),
        history: engine.store().list_health(config.vmid, HISTORY).unwrap_or_default(),
    })
}

/// An address with which other machines get there: the node's, when it forwards the port of the text.
fn outside(engine: &Engine, config: &ContainerConfig, text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://{address}")?;
    let port = rest.strip_prefix(':').and_then(|r| r.split('/').next()?.parse().ok());
    let port: u16 = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
    let is_it = |f: &&Forward| f.container == port && f.protocol == Transport::Tcp;
    let forward = config.forwards.iter().find(is_it)?;
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    let values = &config.application.as_ref()?.values;
    let node = own_address().map_or_else(|| engine.config.node.to_string(), |a| a.to_string());
    Some(format!("{scheme}://{node}:{}{}", forward.host, fill(path, &node, values)))
}

/// The address that the node's way out has. Connecting a datagram socket sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

/// What a secret is sealed for.
pub(super) fn owner(config: &ContainerConfig, uuid: &str, name: &str) -> String {
    format!("{}/{uuid}/{name}", config.vmid)
}

pub(super) fn reveal_password(
    engine: &Engine,
    caller: &Caller,
    call: &RevealPassword,
) -> Result<Secret, ApiError> {
    let (row, _) = containers::find(engine, caller, &call.container, Privilege::VmConsole)?;
    let about = row.config.application.as_ref().map(|a| &a.about);
    let name = about.and_then(|a| a.access.as_ref()).and_then(|a| a.password.clone());
    let none = || model::Refusal::NoPassword { name: row.config.name.to_string() };
    let name = name.ok_or_else(none)?;
    let sealed = engine.store().find_secret(row.config.vmid, &name).map_err(|e| internal(&e))?;
    let opened = engine.vault.open(&owner(&row.config, &row.uuid, &name), &sealed.ok_or_else(none)?);
    Ok(Secret::new(opened.map_err(|e| unavailable(&e))?.as_str()))
}

pub(super) fn retry_first_boot(
    engine: &Engine,
    caller: &Caller,
    call: &RetryFirstBoot,
) -> Result<(), ApiError> {
    let (row, _) = containers::find(engine, caller, &call.container, Privilege::VmPowerMgmt)?;
    caller.authorise(Privilege::VmConsole, &ObjectPath::Vm(row.config.vmid))?;
    let vmid = row.config.vmid;
    let failed = applications::seen(engine, vmid).is_some_and(|s| s.first_boot.failed().is_some());
    if !failed {
        return Err(model::Refusal::NothingToRetry { name: row.config.name.to_string() }.into());
    }
    let argv = ["/usr/lib/kiste/first-boot/retry"];
    let ended = engine.runtime.run(vmid, &argv, PATIENCE, 4096).map_err(|e| unavailable(&e))?;
    match ended.code {
        Some(0) => Ok(()),
        _ => Err(model::Refusal::RetryFailed { name: row.config.name.to_string() }.into()),
    }
}

/// Values in the clear as a call brings them.
pub(super) fn given(parameters: &std::collections::BTreeMap<String, Secret>) -> Values {
    parameters.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect()
}
