//! Verbs on the application in a container.

use std::time::Duration;

use model::health::{HealthState, StepState};
use protocol::engine::{
    calls::{ContainerRef, GetContainer, RetryFirstBoot, RevealPassword},
    view::{ApplicationView, ContainerDetail},
};
use serde::Serialize;

use crate::{CliError, Session, show};

/// Between two looks while waiting.
const INTERVAL: Duration = Duration::from_millis(500);

fn detail(session: &Session, id: &ContainerRef) -> Result<(ContainerDetail, ApplicationView), CliError> {
    let detail = session.client.call(GetContainer { container: id.clone() })?;
    let none = || CliError::Usage(format!("container {id} has no application: its template brings none"));
    let application = detail.application.clone().ok_or_else(none)?;
    Ok((detail, application))
}

/// What `kiste access --json` prints.
#[derive(Serialize)]
struct Access {
    url: Option<String>,
    user: Option<String>,
    password: Option<String>,
    next: String,
}

pub(crate) fn access(session: &Session, id: &ContainerRef, is_revealed: bool) -> Result<u8, CliError> {
    let (_, application) = detail(session, id)?;
    let has_password = application.has_password;
    let password = if is_revealed && has_password {
        let secret = session.client.call(RevealPassword { container: id.clone() })?;
        Some(secret.reveal().to_owned())
    } else {
        None
    };
    let next = application.next.en;
    let access = Access { url: application.url, user: application.user, password, next };
    if session.is_json {
        return show::json(&access);
    }
    let hidden = || if has_password { "stored; --reveal shows it".to_owned() } else { "-".to_owned() };
    let rows = [
        ("address", access.url.unwrap_or_else(|| "-".to_owned())),
        ("user", access.user.unwrap_or_else(|| "-".to_owned())),
        ("password", access.password.unwrap_or_else(hidden)),
        ("next", access.next),
    ];
    Ok(show::table(&["", application.title.as_str()], rows.into_iter().map(|(k, v)| vec![k.to_owned(), v])))
}

pub(crate) fn health(
    session: &Session,
    id: &ContainerRef,
    waits: bool,
    retries: bool,
) -> Result<u8, CliError> {
    if retries {
        session.client.call(RetryFirstBoot { container: id.clone() })?;
    }
    let (mut seen, mut application) = detail(session, id)?;
    while waits && !is_settled(&seen)? {
        std::thread::sleep(INTERVAL);
        (seen, application) = detail(session, id)?;
    }
    let state = seen.summary.health;
    if session.is_json {
        show::json(&application)?;
    } else {
        show_health(&application);
    }
    Ok(u8::from(waits && state != Some(HealthState::Healthy)))
}

/// Whether there is nothing more to wait for.
fn is_settled(detail: &ContainerDetail) -> Result<bool, CliError> {
    let summary = &detail.summary;
    if summary.task.is_none() && !summary.status.is_up() {
        let status = summary.status.as_str();
        return Err(CliError::Usage(format!("container {} is {status}: start it first", summary.name)));
    }
    Ok(matches!(summary.health, Some(HealthState::Healthy | HealthState::Unhealthy)))
}

fn show_health(application: &ApplicationView) {
    let health = application.health.as_ref();
    let word = health.map_or("not running", |h| h.state.as_str());
    let detail = health.map(|h| h.detail.as_str()).unwrap_or_default();
    let mut rows = vec![vec![application.title.clone(), word.to_owned(), detail.to_owned()]];
    for step in &application.first_boot.steps {
        let failure = application.first_boot.failure.trim();
        let last = failure.lines().last().filter(|_| step.state == StepState::Failed).unwrap_or_default();
        rows.push(vec![format!("first boot {}", step.name), step.state.as_str().to_owned(), last.to_owned()]);
    }
    show::table(&["WHAT", "STATE", "SEEN"], rows);
}
