//! Calls about the application in a container: its access card, its first boot.

use model::{
    ContainerConfig,
    access::{ObjectPath, Privilege},
    application::{Values, fill},
};
use protocol::engine::{
    ApiError, Secret,
    calls::{RetryFirstBoot, RevealPassword},
    view::ApplicationView,
};

use super::containers;
use crate::{Engine, access::Caller, applications, error::internal, error::unavailable};

/// Changes of health that a page shows.
const HISTORY: u32 = 20;
/// How long the scripts may take to be started again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(900);

/// What the access card and the health of a container show; `None`: it has no application.
pub(super) fn view(engine: &Engine, config: &ContainerConfig) -> Option<ApplicationView> {
    let installed = config.application.as_ref()?;
    let address = config.nic.as_ref().map(|n| n.address.to_string()).unwrap_or_default();
    let filled = |text: &String| fill(text, &address, &installed.values);
    let access = installed.about.access.as_ref();
    let seen = applications::seen(engine, config.vmid);
    Some(ApplicationView {
        title: installed.title.clone(),
        version: installed.version.clone(),
        url: access.and_then(|a| a.url.as_ref()).filter(|_| !address.is_empty()).map(filled),
        user: access.and_then(|a| a.user.as_ref()).map(filled),
        has_password: access.is_some_and(|a| a.password.is_some()),
        next: access.map(|a| a.next.clone()).unwrap_or_default(),
        values: installed.values.clone(),
        first_boot: seen.as_ref().map(|s| s.first_boot.clone()).unwrap_or_default(),
        health: seen.map(|s| s.health),
        history: engine.store().list_health(config.vmid, HISTORY).unwrap_or_default(),
    })
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
