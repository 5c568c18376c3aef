//! `/containers/{name}/template`: a template from a container.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use model::TemplateName;
use protocol::engine::calls::CreateTemplate;

use super::load;
use crate::{
    engine::EngineClient,
    error::PageError,
    form::Form,
    pages::{Frame, page, page_with, see_task},
    visitor::SignedIn,
};

#[derive(Template)]
#[template(path = "containers/template.html")]
struct ContainerTemplatePage {
    f: Frame,
    form: Form,
    container: String,
}

/// `GET`
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let container = load(&engine, &who, &name).await?.summary.name.to_string();
    let form = Form::filled(who.visitor.language, &[("name", format!("{container}-template"))]);
    let view = ContainerTemplatePage { f: Frame::of(&who, "containers"), form, container };
    Ok(page(&view.f, &view))
}

/// `POST`
pub(crate) async fn make(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let summary = load(&engine, &who, &name).await?.summary;
    let mut form = Form::sent(who.visitor.language, fields.into_inner());
    if let Some(name) = form.parse::<TemplateName>("name") {
        let call = CreateTemplate { container: summary.vmid.into(), name };
        match engine.call(&who.changing(form.get("csrf")), call).await {
            Ok(task) => return Ok(see_task(&task)),
            Err(error) => {
                form.take_refusal(error).map_err(|e| PageError::at(&who, "containers", e))?;
            }
        }
    }
    let f = Frame::of(&who, "containers");
    let view = ContainerTemplatePage { f, form, container: summary.name.to_string() };
    Ok(page_with(&view.f, &view, HttpResponse::UnprocessableEntity()))
}
