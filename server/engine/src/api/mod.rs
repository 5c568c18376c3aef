//! From a call to a reply: one file a subject. Each handler authorises every object named in its call.

mod applications;
mod changes;
mod consoles;
mod containers;
mod forwards;
mod interface;
mod node;
mod power;
mod sessions;
mod sources;
pub(crate) mod tasks;
mod templates;

use std::{os::fd::OwnedFd, sync::Arc};

use protocol::engine::{ApiError, Request};
use serde::Serialize;
use serde_json::Value;

use crate::{Engine, access::Caller, error::internal, server::Outcome};

pub(crate) use sessions::make_setup_code;

/// Answers one call.
pub(crate) fn dispatch(
    engine: &Arc<Engine>,
    caller: &Caller,
    request: &Request,
    fds: Vec<OwnedFd>,
) -> Result<Outcome, ApiError> {
    use Request as R;
    match request {
        R::GetWelcome(_) => reply(&sessions::welcome(engine)?),
        R::CompleteSetup(call) => reply(&sessions::complete_setup(engine, caller, call)?),
        R::Login(call) => reply(&sessions::login(engine, caller, call)?),
        R::Logout(_) => reply(&sessions::logout(engine, caller)?),
        R::GetSession(_) => reply(&sessions::get(engine, caller)?),
        R::SetPreferences(call) => reply(&sessions::set_preferences(engine, caller, call)?),
        R::NewSetupCode(_) => reply(&sessions::new_setup_code(engine, caller)?),
        R::NewConsoleTicket(call) => reply(&sessions::new_console_ticket(engine, caller, call)?),
        R::GetNode(_) => reply(&node::get(engine, caller)?),
        R::GetDoctor(_) => reply(&node::doctor(engine, caller)?),
        R::ListAudit(call) => reply(&node::audit(engine, caller, call)?),
        R::ListContainers(_) => reply(&containers::list(engine, caller)?),
        R::GetContainer(call) => reply(&containers::get(engine, caller, call)?),
        R::CreateContainer(call) => reply(&containers::create(engine, caller, call)?),
        R::SetContainer(call) => reply(&changes::set(engine, caller, call)?),
        R::RevealPassword(call) => reply(&applications::reveal_password(engine, caller, call)?),
        R::RetryFirstBoot(call) => reply(&applications::retry_first_boot(engine, caller, call)?),
        R::StartContainer(call) => reply(&power::start(engine, caller, call)?),
        R::ShutdownContainer(call) => reply(&power::shutdown(engine, caller, call)?),
        R::StopContainer(call) => reply(&power::stop(engine, caller, call)?),
        R::RebootContainer(call) => reply(&power::reboot(engine, caller, call)?),
        R::SuspendContainer(call) => reply(&power::suspend(engine, caller, call)?),
        R::ResumeContainer(call) => reply(&power::resume(engine, caller, call)?),
        R::DestroyContainer(call) => reply(&power::destroy(engine, caller, call)?),
        R::Exec(call) => consoles::exec(engine, caller, call),
        R::OpenConsole(call) => consoles::open_console(engine, caller, call),
        R::ListTemplates(_) => reply(&templates::list(engine, caller)?),
        R::NewSpool(_) => templates::new_spool(engine, caller),
        R::OpenSharedFile(call) => sources::open_shared(engine, call),
        R::ListSources(_) => reply(&sources::list(engine, caller)?),
        R::ListOffers(_) => reply(&sources::list_offers(engine, caller)?),
        R::RefreshSources(call) => reply(&sources::refresh(engine, caller, call)?),
        R::DownloadTemplate(call) => reply(&sources::download(engine, caller, call)?),
        R::ImportTemplateUrl(call) => reply(&sources::import_url(engine, caller, call)?),
        R::ListRecipes(_) => reply(&templates::list_recipes(engine, caller)?),
        R::BuildTemplate(call) => reply(&templates::build(engine, caller, call)?),
        R::ImportTemplate(call) => reply(&templates::import(engine, caller, call, fds)?),
        R::CreateTemplate(call) => reply(&templates::create(engine, caller, call)?),
        R::RemoveTemplate(call) => reply(&templates::remove(engine, caller, call)?),
        R::ListTasks(call) => reply(&tasks::list(engine, caller, call)?),
        R::GetTask(call) => reply(&tasks::get(engine, caller, &call.task)?),
        R::GetTaskLog(call) => reply(&tasks::log(engine, caller, call)?),
        R::CancelTask(call) => reply(&tasks::cancel(engine, caller, call)?),
        R::Subscribe(call) => tasks::subscribe(engine, caller, call),
    }
}

fn reply<T: Serialize>(value: &T) -> Result<Outcome, ApiError> {
    let value: Value = serde_json::to_value(value).map_err(|e| internal(&e))?;
    Ok(value.into())
}

/// What a call is about, for the audit log; never a secret.
pub(crate) fn object_of(request: &Request) -> String {
    use Request as R;
    match request {
        R::CreateContainer(c) => c.hostname.to_string(),
        R::SetContainer(c) => c.container.to_string(),
        R::StartContainer(c) => c.container.to_string(),
        R::ShutdownContainer(c) => c.container.to_string(),
        R::StopContainer(c) => c.container.to_string(),
        R::RebootContainer(c) => c.container.to_string(),
        R::SuspendContainer(c) => c.container.to_string(),
        R::ResumeContainer(c) => c.container.to_string(),
        R::DestroyContainer(c) => c.container.to_string(),
        R::RevealPassword(c) => c.container.to_string(),
        R::RetryFirstBoot(c) => c.container.to_string(),
        R::Exec(c) => c.container.to_string(),
        R::OpenConsole(c) => c.container.to_string(),
        R::GetContainer(c) => c.container.to_string(),
        R::BuildTemplate(c) => c.recipe.to_string(),
        R::CreateTemplate(c) => format!("{} {}", c.container, c.name),
        R::RemoveTemplate(c) => c.template.to_string(),
        R::ImportTemplate(c) => c.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        R::RefreshSources(c) => c.source.as_ref().map(ToString::to_string).unwrap_or_default(),
        R::DownloadTemplate(c) => c.template.to_string(),
        R::ImportTemplateUrl(c) => c.url.chars().take(200).collect(),
        R::CancelTask(c) => c.task.to_string(),
        R::Login(c) => c.user.to_string(),
        R::CompleteSetup(c) => c.user.to_string(),
        R::NewConsoleTicket(c) => c.container.to_string(),
        _ => String::new(),
    }
}
