//! `GET /containers/{name}/{action}`: asks before something is interrupted, and says what it costs.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{load, power::Action};
use crate::{
    engine::EngineClient,
    error::PageError,
    pages::{Frame, local_path, page},
    visitor::SignedIn,
};

#[derive(Template)]
#[template(path = "containers/confirm.html")]
struct ContainerConfirmPage {
    f: Frame,
    name: String,
    action: &'static str,
    heading: String,
    consequence: String,
    button: String,
    next: String,
    is_hard: bool,
}

/// Where to go on to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Next {
    next: String,
}

/// The handler.
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    path: web::Path<(String, Action)>,
    query: web::Query<Next>,
) -> Result<HttpResponse, PageError> {
    let (name, action) = path.into_inner();
    let detail = load(&engine, &who, &name).await?;
    let f = Frame::of(&who, "containers");
    let name = detail.summary.name.to_string();
    let own = format!("/containers/{name}");
    let view = ContainerConfirmPage {
        action: action.word(),
        heading: f.t_with(action.heading_key(), &name),
        consequence: f.t_with(action.consequence_key(), &name),
        button: f.t(action.key()),
        next: local_path(&query.next, &own).to_owned(),
        is_hard: action == Action::Stop,
        name,
        f,
    };
    Ok(page(&view.f, &view))
}
