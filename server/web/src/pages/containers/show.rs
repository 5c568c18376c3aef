//! `GET /containers/{name}`: the summary with live figures.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::{ContainerView, load};
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
    mac: String,
    id_range: String,
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
    let f = Frame::of(&who, "containers");
    let last = detail.id_base.saturating_add(model::idmap::IDS_PER_CONTAINER - 1);
    let view = ContainerShowPage {
        c: ContainerView::of(f.language(), &detail.summary),
        tiles: tiles(f.language(), &detail.summary, detail.usage.as_ref()),
        hostname: detail.config.hostname.to_string(),
        mac: detail.config.nic.as_ref().map_or_else(|| "–".to_owned(), |nic| nic.mac.to_string()),
        id_range: format!("{}–{last}", detail.id_base),
        f,
    };
    Ok(page(&view.f, &view))
}
