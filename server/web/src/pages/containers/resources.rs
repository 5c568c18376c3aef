//! `/containers/{name}/resources`: every limit with what is in use beside it.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use protocol::engine::{ErrorKind, calls::SetContainer, view::ContainerDetail};

use super::{ContainerView, interface::read_forwards, load, new::read_limits};
use crate::{
    engine::EngineClient,
    error::PageError,
    form::Form,
    live::{Tile, limit_tiles},
    pages::{Frame, page, page_with, see_other_with},
    visitor::SignedIn,
};

struct LimitRow {
    name: &'static str,
    label: String,
    help: String,
    unit: String,
    input: &'static str,
    stored: String,
    key: String,
    used: String,
    note: String,
    share: u64,
    has_meter: bool,
}

#[derive(Template)]
#[template(path = "containers/resources.html")]
struct ContainerResourcesPage {
    f: Frame,
    c: ContainerView,
    form: Form,
    has_application: bool,
    rows: Vec<LimitRow>,
    version: u64,
    is_stale: bool,
    asks_below: bool,
}

/// Name, message keys of label and help, unit, kind of keyboard.
const LIMITS: [(&str, &str, &str, &str, &str); 6] = [
    ("memory", "memory", "resources-memory-help", "", "text"),
    ("swap", "swap", "swap-help", "", "text"),
    ("cores", "cores", "resources-cores-help", "", "numeric"),
    ("cpulimit", "cpulimit", "cpulimit-help", "", "decimal"),
    ("cpuunits", "cpuunits", "cpuunits-help", "", "numeric"),
    ("pids", "pids", "pids-help", "", "numeric"),
];

fn stored(detail: &ContainerDetail) -> Vec<(&'static str, String)> {
    let limits = &detail.config.limits;
    let forwards: Vec<String> = detail.config.forwards.iter().map(ToString::to_string).collect();
    let onboot = if detail.config.is_onboot { "1" } else { "" };
    vec![
        ("memory", limits.memory_max.to_exact_text()),
        ("swap", limits.swap_max.to_exact_text()),
        ("cores", limits.cores.map(|n| n.to_string()).unwrap_or_default()),
        ("cpulimit", limits.cpulimit.map(|n| n.to_string()).unwrap_or_default()),
        ("cpuunits", limits.cpuunits.to_string()),
        ("pids", limits.pids_max.to_string()),
        ("onboot", onboot.to_owned()),
        ("heal", if detail.config.restarts_unhealthy { "1" } else { "" }.to_owned()),
        ("forwards", forwards.join(" ")),
    ]
}

fn view(f: Frame, detail: &ContainerDetail, form: Form) -> ContainerResourcesPage {
    let c = ContainerView::of(f.language(), &detail.summary);
    let tiles = limit_tiles(f.language(), &detail.summary, detail.usage.as_ref());
    let stored = stored(detail);
    let rows = LIMITS.iter().zip(tiles).map(|((name, label, help, unit, input), tile)| {
        let Tile { key, value, note, share, has_meter, .. } = tile;
        let stored = stored.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default();
        LimitRow {
            name,
            label: f.t(label),
            help: f.t(help),
            unit: (*unit).to_owned(),
            input,
            stored,
            key,
            used: value,
            note,
            share,
            has_meter,
        }
    });
    ContainerResourcesPage {
        rows: rows.collect(),
        c,
        form,
        has_application: detail.config.application.is_some(),
        version: detail.config.version,
        is_stale: false,
        asks_below: false,
        f,
    }
}

/// `GET`
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let form = Form::filled(who.visitor.language, &stored(&detail));
    let view = view(Frame::of(&who, "containers"), &detail, form);
    Ok(page(&view.f, &view))
}

/// `POST`
pub(crate) async fn set(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let mut form = Form::sent(who.visitor.language, fields.into_inner());
    let limits = read_limits(&mut form);
    let (has_forwards, forwards) = (form.has("forwards"), read_forwards(&mut form));
    for name in ["memory", "swap", "cpuunits", "pids"] {
        if form.get(name).is_empty() {
            form.reject(name, Frame::of(&who, "").t("field-missing"));
        }
    }
    let version = form.get("version").parse().ok();
    if version.is_none() {
        form.reject("", who.visitor.language.text("error-misfit"));
    }
    let detail = load(&engine, &who, &name).await?;
    let used = detail.usage.map_or(0, |u| u.stats.memory_used.0);
    let is_below = limits.memory_max.is_some_and(|max| max.0 < used) && !form.is_on("below");
    let mut is_stale = false;
    if form.is_ok() && !is_below {
        let call = SetContainer {
            container: detail.summary.vmid.into(),
            version,
            limits,
            is_onboot: Some(form.is_on("onboot")),
            // Shown with an application only.
            restarts_unhealthy: detail.config.application.is_some().then(|| form.is_on("heal")),
            // A form that does not have the field leaves them as they are.
            forwards: Some(forwards).filter(|all| has_forwards && *all != detail.config.forwards),
            net0: None,
        };
        match engine.call(&who.changing(form.get("csrf")), call).await {
            Ok(_) => {
                let address = format!("/containers/{}/resources", detail.summary.name);
                return Ok(see_other_with(&address, "flash-saved"));
            }
            Err(error) if error.kind == ErrorKind::Stale => is_stale = true,
            Err(error) => {
                form.take_refusal(error).map_err(|e| PageError::at(&who, "containers", e))?;
            }
        }
    }
    let builder = if is_stale { HttpResponse::Conflict() } else { HttpResponse::UnprocessableEntity() };
    let view = view(Frame::of(&who, "containers"), &detail, form);
    // What somebody else saved meanwhile must be shown before it can be replaced.
    let version = version.filter(|_| !is_stale).unwrap_or(view.version);
    let view = ContainerResourcesPage { is_stale, version, asks_below: is_below, ..view };
    Ok(page_with(&view.f, &view, builder))
}
