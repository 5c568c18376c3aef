//! `/containers/new`: first the templates as cards, then one form on one page.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use model::{
    Bytes, Hostname, PowerState, Refusal, TemplateName, Vmid,
    application::{LanNeed, Parameter},
    limits::CpuLimit,
    template::ContainerTemplate,
};
use protocol::engine::{
    ApiError, ErrorKind, Secret,
    calls::{CreateContainer, GetNode, LimitChanges, ListTemplates},
    view::NodeView,
};

use super::{
    application::{self, ParameterField},
    interface,
};
use crate::{
    engine::EngineClient,
    error::PageError,
    form::{Form, WholeNumber},
    format,
    pages::{
        Frame,
        container_templates::{RecipeView, recipes},
        page, page_with, see_task,
    },
    visitor::SignedIn,
};

struct TemplateCard {
    name: String,
    title: String,
    description: String,
    version: String,
    size: String,
}

#[derive(Template)]
#[template(path = "containers/new.html")]
struct ContainerNewPage {
    f: Frame,
    templates: Vec<TemplateCard>,
    recipes: Vec<RecipeView>,
}

#[derive(Template)]
#[template(path = "containers/new_form.html")]
struct ContainerNewFormPage {
    f: Frame,
    form: Form,
    host_memory: String,
    host_cores: String,
    has_advanced_error: bool,
    title: String,
    parameters: Vec<ParameterField>,
    forwards_help: String,
    bridges: Vec<String>,
}

/// The chosen template.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    template: String,
}

/// `GET /containers/new`
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let f = Frame::of(&who, "containers");
    if !query.template.is_empty() {
        let node = node(&who, &engine).await?;
        let template = find(&who, &engine, &query.template).await?;
        let memory = model::Limits::default().memory_max.max(template.memory_min);
        let mut defaults = vec![
            ("template", query.template.clone()),
            ("memory", memory.to_exact_text()),
            ("start", "1".to_owned()),
            ("swap", "512 MiB".to_owned()),
            ("cpuunits", "100".to_owned()),
            ("pids", "4096".to_owned()),
        ];
        let is_lan_needed = template.application.lan == Some(LanNeed::Required);
        let example = forward_example(node.as_ref(), &template);
        defaults.extend(interface::defaults(node.as_ref(), example, is_lan_needed));
        let told = application::defaults(&template.application.parameters);
        defaults.extend(told.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let form = Form::filled(who.visitor.language, &defaults);
        let view = form_page(f, form, node.as_ref(), &template);
        return Ok(page(&view.f, &view));
    }
    let installed = engine.call(&who.visitor.caller, ListTemplates {}).await;
    let installed = installed.map_err(|e| PageError::at(&who, "containers", e))?;
    let language = f.language();
    let recipes = recipes(&who, &engine).await;
    let card = |t: &ContainerTemplate| TemplateCard {
        name: t.name.to_string(),
        title: if t.title.is_empty() { t.name.to_string() } else { t.title.clone() },
        description: t.description.clone(),
        version: t.version.clone(),
        size: format::bytes(language, t.size),
    };
    let view = ContainerNewPage { templates: installed.iter().map(card).collect(), recipes, f };
    Ok(page(&view.f, &view))
}

/// The node, for help texts only: who may not see it still makes containers.
async fn node(who: &SignedIn, engine: &EngineClient) -> Result<Option<NodeView>, PageError> {
    let answer = engine.call(&who.visitor.caller, GetNode {}).await;
    none_when_denied(answer).map_err(|e| PageError::at(who, "containers", e))
}

fn none_when_denied<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::Denied => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next free port of the node, to the first one of the template.
fn forward_example(node: Option<&NodeView>, template: &ContainerTemplate) -> String {
    let container = template.application.ports.first().map_or(80, |p| p.container);
    format!("{}:{container}", node.map_or(8080, |n| n.port_free))
}

/// The template that the form is about.
async fn find(who: &SignedIn, engine: &EngineClient, name: &str) -> Result<ContainerTemplate, PageError> {
    let at = |e| PageError::at(who, "containers", e);
    let installed = engine.call(&who.visitor.caller, ListTemplates {}).await.map_err(at)?;
    let found = installed.into_iter().find(|t| t.name.as_str() == name);
    found.ok_or_else(|| at(Refusal::NoTemplate { name: name.to_owned() }.into()))
}

fn form_page(
    f: Frame,
    form: Form,
    node: Option<&NodeView>,
    template: &ContainerTemplate,
) -> ContainerNewFormPage {
    let memory = |n: &NodeView| f.t_with("memory-help", &format::bytes(f.language(), n.memory_available));
    let cores = |n: &NodeView| f.t_with("cores-help", &n.capacity.cores.to_string());
    let advanced = ["vmid", "swap", "cpulimit", "cpuunits", "pids"];
    ContainerNewFormPage {
        host_memory: node.map(memory).unwrap_or_default(),
        host_cores: node.map(cores).unwrap_or_default(),
        has_advanced_error: advanced.iter().any(|name| !form.error(name).is_empty()),
        title: if template.title.is_empty() { template.name.to_string() } else { template.title.clone() },
        bridges: node.iter().flat_map(|n| &n.bridges).map(ToString::to_string).collect(),
        forwards_help: f.t_with("forwards-help", &forward_example(node, template)),
        parameters: application::fields(f.language(), &template.application.parameters),
        f,
        form,
    }
}

/// `POST /containers`
pub(crate) async fn create(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let mut form = Form::sent(who.visitor.language, fields.into_inner());
    let template = find(&who, &engine, form.get("template")).await?;
    let parameters = &template.application.parameters;
    if let Some(call) = read(&mut form, parameters) {
        match engine.call(&who.changing(form.get("csrf")), call).await {
            Ok(made) => return Ok(see_task(&made.task)),
            Err(mut error) => {
                let field = error.field.clone().unwrap_or_default();
                if let Some(parameter) = parameters.iter().find(|p| p.name == field) {
                    let label = parameter.label.get(who.visitor.language.code());
                    error.refusal = error.refusal.map(|refusal| Box::new(refusal.about(label)));
                    error.field = Some(application::field_name(&field));
                }
                form.take_refusal(error).map_err(|e| PageError::at(&who, "containers", e))?;
            }
        }
    }
    let node = node(&who, &engine).await?;
    let view = form_page(Frame::of(&who, "containers"), form, node.as_ref(), &template);
    Ok(page_with(&view.f, &view, HttpResponse::UnprocessableEntity()))
}

/// The call that the form asks for; `None` when a field is crooked.
fn read(form: &mut Form, parameters: &[Parameter]) -> Option<CreateContainer> {
    let hostname = form.parse::<Hostname>("name");
    let template = form.parse::<TemplateName>("template");
    let vmid = form.parse_optional::<Vmid>("vmid");
    let limits = read_limits(form);
    let reach = interface::read(form);
    let password = form.raw("password");
    let password = (!password.is_empty()).then(|| Secret::new(password));
    if !form.is_ok() {
        return None;
    }
    Some(CreateContainer {
        vmid,
        hostname: hostname?,
        template: template?,
        limits,
        is_onboot: form.is_on("onboot"),
        power: if form.is_on("start") { PowerState::On } else { PowerState::Off },
        password,
        ssh_keys: form.raw("ssh_keys").to_owned(),
        parameters: application::read(form, parameters),
        forwards: reach.forwards,
        net0: reach.net0,
    })
}

/// Limits as both forms send them; what is empty and may be is no limit.
pub(super) fn read_limits(form: &mut Form) -> LimitChanges {
    LimitChanges {
        memory_max: read_bytes(form, "memory"),
        swap_max: read_bytes(form, "swap"),
        cores: Some(number(form, "cores")),
        cpulimit: Some(form.parse_optional::<CpuLimit>("cpulimit")),
        cpuunits: number(form, "cpuunits"),
        pids_max: number(form, "pids"),
    }
}

fn number(form: &mut Form, name: &str) -> Option<u32> {
    form.parse_optional::<WholeNumber>(name).map(|n| n.0)
}

fn read_bytes(form: &mut Form, name: &str) -> Option<Bytes> {
    if form.get(name).is_empty() {
        return None;
    }
    match Bytes::parse_with_default_unit(form.get(name), Bytes::mib(1)) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            form.refuse(name, &error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_must_not_be_seen_is_none_and_other_refusals_stay() {
        let refused = |kind| none_when_denied::<()>(Err(ApiError::new(kind, "")));
        assert_eq!(refused(ErrorKind::Denied).unwrap(), None);
        assert_eq!(refused(ErrorKind::Unavailable).unwrap_err().kind, ErrorKind::Unavailable);
        assert_eq!(none_when_denied(Ok(1)).unwrap(), Some(1));
    }
}
