//! `/sources`: where templates can be downloaded, and what is offered there; archives from an address.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use model::Refusal;
use protocol::engine::{
    ApiError,
    calls::{DownloadTemplate, ImportTemplateUrl, ListOffers, ListSources, RefreshSources},
    view::{OfferState, OfferView, SourceView},
};
use serde::Deserialize;

use super::{Frame, container_templates, page, see_task};
use crate::{engine::EngineClient, error::PageError, form::Form, format, visitor::SignedIn};

/// Most offers on one page; a search finds the others.
const SHOWN_MAX: usize = 100;

/// What an address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Query {
    /// Words that an offer must have.
    #[serde(default)]
    q: String,
}

struct SourceRow {
    name: String,
    kind: String,
    url: String,
    trust: String,
    offers: usize,
    refreshed: Option<i64>,
    error: String,
}

struct OfferRow {
    source: String,
    name: String,
    title: String,
    version: String,
    size: String,
    installed: String,
    /// Empty when this version is installed.
    action: String,
    is_newer: bool,
}

#[derive(Template)]
#[template(path = "sources.html")]
struct SourceListPage {
    f: Frame,
    q: String,
    sources: Vec<SourceRow>,
    offers: Vec<OfferRow>,
    /// How many more there are than are shown.
    hidden: usize,
}

/// `GET /sources`
pub(crate) async fn list(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let at = |e| PageError::at(&who, "sources", e);
    let f = Frame::of(&who, "sources");
    let sources = engine.call(&who.visitor.caller, ListSources {}).await.map_err(at)?;
    let all = engine.call(&who.visitor.caller, ListOffers {}).await.map_err(at)?;
    let q: String = query.q.trim().chars().take(100).collect();
    let mut fitting: Vec<OfferView> = all.into_iter().filter(|o| fits(o, &q)).collect();
    let hidden = fitting.len().saturating_sub(SHOWN_MAX);
    fitting.truncate(SHOWN_MAX);
    let view = SourceListPage {
        sources: sources.into_iter().map(|s| source_row(&f, s)).collect(),
        offers: fitting.into_iter().map(|o| offer_row(&f, o)).collect(),
        hidden,
        q,
        f,
    };
    Ok(page(&view.f, &view))
}

fn fits(offer: &OfferView, q: &str) -> bool {
    let text = format!("{} {} {}", offer.source, offer.offer.name, offer.offer.title).to_lowercase();
    q.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn source_row(f: &Frame, view: SourceView) -> SourceRow {
    let SourceView { source, refreshed, error, offers } = view;
    SourceRow {
        name: source.name.to_string(),
        kind: f.t(match source.kind {
            model::source::SourceKind::Index => "source-index",
            model::source::SourceKind::Simplestreams => "source-simplestreams",
            model::source::SourceKind::Aplinfo => "source-aplinfo",
        }),
        url: source.url,
        trust: match source.trust {
            model::source::Trust::Tls => f.t("trust-tls"),
            key => f.t_with("trust-key", &String::from(key)),
        },
        offers,
        refreshed,
        error: error.unwrap_or_default(),
    }
}

fn offer_row(f: &Frame, view: OfferView) -> OfferRow {
    let OfferView { source, offer, state, installed } = view;
    let name = offer.name.to_string();
    OfferRow {
        source: source.to_string(),
        title: if offer.title.is_empty() { name.clone() } else { offer.title },
        name,
        version: offer.version,
        size: offer.size.map(|size| format::bytes(f.language(), size)).unwrap_or_default(),
        installed: installed.unwrap_or_default(),
        action: match state {
            OfferState::New => f.t("download"),
            OfferState::Other => f.t("download-this"),
            OfferState::Installed => String::new(),
        },
        is_newer: state == OfferState::Other,
    }
}

/// `POST /sources/refresh`
pub(crate) async fn refresh(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let at = |e: ApiError| PageError::at(&who, "sources", e);
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let source = match form.get("source") {
        "" => None,
        name => Some(name.parse().map_err(|e: Refusal| at(e.into()))?),
    };
    let caller = who.changing(form.get("csrf"));
    Ok(see_task(&engine.call(&caller, RefreshSources { source }).await.map_err(at)?))
}

/// `POST /sources/download`
pub(crate) async fn download(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let at = |e: ApiError| PageError::at(&who, "sources", e);
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let source = Some(form.get("source").parse().map_err(|e: Refusal| at(e.into()))?);
    let template = form.get("template").parse().map_err(|e: Refusal| at(e.into()))?;
    let caller = who.changing(form.get("csrf"));
    Ok(see_task(&engine.call(&caller, DownloadTemplate { source, template }).await.map_err(at)?))
}

/// `POST /templates/import-url`: an archive from anywhere, by its checksum.
pub(crate) async fn import_url(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let mut form = Form::sent(who.visitor.language, fields.into_inner());
    let name = form.parse_optional("as");
    let refused = if form.is_ok() {
        let (url, sha256) = (form.get("url").to_owned(), form.get("sha256").trim().to_owned());
        let caller = who.changing(form.get("csrf"));
        match engine.call(&caller, ImportTemplateUrl { url, sha256, name }).await {
            Ok(task) => return Ok(see_task(&task)),
            Err(error) => Some(at_its_field(error)),
        }
    } else {
        None
    };
    if let Some(error) = refused {
        form.take_refusal(error).map_err(|e| PageError::at(&who, "templates", e))?;
    }
    container_templates::show_again(&who, &engine, form).await
}

/// Which of the form's fields a refusal is about.
fn at_its_field(error: ApiError) -> ApiError {
    let field = match error.refusal.as_deref() {
        Some(Refusal::NotAnAddress { .. }) => Some("url"),
        Some(Refusal::NotAChecksum { .. }) => Some("sha256"),
        _ => None,
    };
    ApiError { field: field.map(str::to_owned).or(error.field), ..error }
}
