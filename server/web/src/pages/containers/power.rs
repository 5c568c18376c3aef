//! `POST /containers/{name}/{action}`: start, shut down, stop, reboot, pause, resume.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use model::TaskId;
use protocol::engine::{
    ApiError,
    calls::{
        ContainerRef, RebootContainer, ResumeContainer, ShutdownContainer, StartContainer, StopContainer,
        SuspendContainer,
    },
    client::Caller,
};
use serde::Deserialize;

use super::parse;
use crate::{
    engine::EngineClient,
    error::PageError,
    form::Form,
    pages::{local_path, see_other_with},
    visitor::SignedIn,
};

/// What can be done about a container's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Start it.
    Start,
    /// Ask its init to end.
    Shutdown,
    /// End it at once.
    Stop,
    /// Shut down and start again.
    Reboot,
    /// Freeze it.
    Suspend,
    /// Thaw it.
    Resume,
}

impl Action {
    /// The word in addresses.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    /// The button's text.
    pub(crate) fn key(self) -> &'static str {
        self.word()
    }

    /// The confirmation's heading.
    pub(crate) fn heading_key(self) -> &'static str {
        match self {
            Self::Start => "confirm-start",
            Self::Shutdown => "confirm-shutdown",
            Self::Stop => "confirm-stop",
            Self::Reboot => "confirm-reboot",
            Self::Suspend => "confirm-suspend",
            Self::Resume => "confirm-resume",
        }
    }

    /// What it costs.
    pub(crate) fn consequence_key(self) -> &'static str {
        match self {
            Self::Start => "confirm-start-note",
            Self::Shutdown => "confirm-shutdown-note",
            Self::Stop => "confirm-stop-note",
            Self::Reboot => "confirm-reboot-note",
            Self::Suspend => "confirm-suspend-note",
            Self::Resume => "confirm-resume-note",
        }
    }

    fn flash(self) -> &'static str {
        match self {
            Self::Start => "flash-start",
            Self::Shutdown => "flash-shutdown",
            Self::Stop => "flash-stop",
            Self::Reboot => "flash-reboot",
            Self::Suspend => "flash-suspend",
            Self::Resume => "flash-resume",
        }
    }
}

/// The handler.
pub(crate) async fn act(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    path: web::Path<(String, Action)>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let (name, action) = path.into_inner();
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let at = |e| PageError::at(&who, "containers", e);
    let container = parse(&name).map_err(at)?;
    call(&engine, &who.changing(form.get("csrf")), container, action).await.map_err(at)?;
    let own = format!("/containers/{name}");
    Ok(see_other_with(local_path(form.get("next"), &own), action.flash()))
}

async fn call(
    engine: &EngineClient,
    caller: &Caller,
    container: ContainerRef,
    action: Action,
) -> Result<TaskId, ApiError> {
    let timeout_s = None;
    match action {
        Action::Start => engine.call(caller, StartContainer { container }).await,
        Action::Shutdown => engine.call(caller, ShutdownContainer { container, timeout_s }).await,
        Action::Stop => engine.call(caller, StopContainer { container }).await,
        Action::Reboot => engine.call(caller, RebootContainer { container, timeout_s }).await,
        Action::Suspend => engine.call(caller, SuspendContainer { container }).await,
        Action::Resume => engine.call(caller, ResumeContainer { container }).await,
    }
}
