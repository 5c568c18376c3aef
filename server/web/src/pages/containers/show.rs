//! `GET /containers/{name}`: the summary with live figures.

use actix_web::{HttpResponse, web};
use askama::Template;

use protocol::engine::{Secret, view::ContainerDetail};

use super::{ContainerView, application::ApplicationCard, interface, load};
use crate::{
    engine::EngineClient,
    error::PageError,
    live::{Tile, tiles},
    pages::{Frame, page, see_other},
    visitor::SignedIn,
};

#[derive(Template)]
#[template(path = "containers/show.html")]
struct ContainerShowPage {
    f: Frame,
    c: ContainerView,
    tiles: Vec<Tile>,
    hostname: String,
    template: String,
    mac: String,
    interface: String,
    id_range: String,
    application: Option<ApplicationCard>,
    is_moving: bool,
}

/// The handler. The number works as well and leads to the name.
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    if detail.summary.name.as_str() != name.as_str() {
        return Ok(see_other(&format!("/containers/{}", detail.summary.name)));
    }
    Ok(summary(Frame::of(&who, "containers"), &detail, None))
}

/// The page; with the application's password when that was asked for.
pub(super) fn summary(f: Frame, detail: &ContainerDetail, password: Option<&Secret>) -> HttpResponse {
    let last = detail.id_base.saturating_add(model::idmap::IDS_PER_CONTAINER - 1);
    let application = detail.application.as_ref();
    let application = application.map(|a| ApplicationCard::of(f.language(), a, password));
    let view = ContainerShowPage {
        c: ContainerView::of(f.language(), &detail.summary),
        tiles: tiles(f.language(), &detail.summary, detail.usage.as_ref()),
        hostname: detail.config.hostname.to_string(),
        template: detail.config.made_from(),
        mac: detail.config.nic.as_ref().map_or_else(|| "–".to_owned(), |nic| nic.mac.to_string()),
        interface: interface::describe(&f, detail.config.nic.as_ref()),
        id_range: format!("{}–{last}", detail.id_base),
        is_moving: application.as_ref().is_some_and(|a| a.is_moving),
        application,
        f,
    };
    page(&view.f, &view)
}
