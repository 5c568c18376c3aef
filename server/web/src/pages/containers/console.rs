//! `GET /containers/{name}/console`: a root shell, or the container's own console.

use actix_web::{HttpResponse, web};
use askama::Template;
use protocol::engine::{ApiError, ErrorKind};

use super::{ContainerView, load};
use crate::{
    console::ConsoleWord,
    engine::EngineClient,
    error::PageError,
    guard,
    pages::{Frame, page_with},
    visitor::SignedIn,
};

#[derive(Template)]
#[template(path = "containers/console.html")]
struct ContainerConsolePage {
    f: Frame,
    c: ContainerView,
    kind: &'static str,
    nonce: String,
    is_up: bool,
}

/// Which terminal.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    kind: ConsoleWord,
}

/// The handler.
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let f = Frame::of(&who, "containers");
    if !detail.privileges.iter().any(|p| p == "VM.Console") {
        return Err(PageError::at(
            &who,
            "containers",
            ApiError::new(ErrorKind::Denied, f.t("console-denied")),
        ));
    }
    let nonce = guard::nonce();
    let view = ContainerConsolePage {
        c: ContainerView::of(f.language(), &detail.summary),
        kind: query.kind.word(),
        is_up: detail.summary.status.is_up(),
        f,
        nonce,
    };
    let mut builder = HttpResponse::Ok();
    builder.insert_header(guard::console_policy(&view.nonce));
    Ok(page_with(&view.f, &view, builder))
}
