//! `/containers/{name}/delete`: the name must be typed, and the page says what goes and what stays.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use protocol::engine::calls::DestroyContainer;

use super::load;
use crate::{
    engine::EngineClient,
    error::PageError,
    form::Form,
    pages::{Frame, page, page_with, see_task},
    visitor::SignedIn,
};

#[derive(Template)]
#[template(path = "containers/delete.html")]
struct ContainerDeletePage {
    f: Frame,
    form: Form,
    container: String,
    is_up: bool,
}

/// `GET`
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let view = ContainerDeletePage {
        f: Frame::of(&who, "containers"),
        form: Form::default(),
        container: detail.summary.name.to_string(),
        is_up: detail.summary.status.is_up(),
    };
    Ok(page(&view.f, &view))
}

/// `POST`
pub(crate) async fn delete(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let mut form = Form::sent(who.visitor.language, fields.into_inner());
    let f = Frame::of(&who, "containers");
    let name = detail.summary.name.to_string();
    if form.get("name") != name {
        form.reject("name", f.t_with("delete-mistyped", &name));
        let view = ContainerDeletePage { f, form, container: name, is_up: detail.summary.status.is_up() };
        return Ok(page_with(&view.f, &view, HttpResponse::UnprocessableEntity()));
    }
    let call = DestroyContainer { container: detail.summary.vmid.into(), is_forced: true };
    let task = engine.call(&who.changing(form.get("csrf")), call).await;
    let task = task.map_err(|e| PageError::at(&who, "containers", e))?;
    Ok(see_task(&task))
}
