//! `GET /containers`: search, status filter, sorting and pages, all on the server and in the address.

use actix_web::{HttpResponse, web};
use askama::Template;
use model::ContainerStatus;
use protocol::engine::{calls::ListContainers, view::ContainerSummary};

use super::{ContainerView, StatusView};
use crate::{
    engine::EngineClient,
    error::{PageError, form_urlencode},
    pages::{Choice, Frame, page},
    visitor::SignedIn,
};

/// Rows on a page: a browser on a slow machine stays quick with so many (ui.md, section 5).
const ROWS: usize = 100;

/// The address's query; what is crooked is as if it were not there.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    q: String,
    status: String,
    sort: String,
    page: String,
}

struct Column {
    label: String,
    href: String,
    is_number: bool,
    is_sorted: bool,
}

#[derive(Template)]
#[template(path = "containers/list.html")]
struct ContainerListPage {
    f: Frame,
    rows: Vec<ContainerView>,
    columns: Vec<Column>,
    statuses: Vec<Choice>,
    query: String,
    status: String,
    sort: String,
    total: usize,
    shown_total: usize,
    page: usize,
    pages: usize,
}

impl ContainerListPage {
    fn page_href(&self, page: usize) -> String {
        format!("{}&page={page}", href(&self.query, &self.status, &self.sort))
    }
}

fn href(query: &str, status: &str, sort: &str) -> String {
    let (q, status, sort) = (form_urlencode(query), form_urlencode(status), form_urlencode(sort));
    format!("/containers?q={q}&status={status}&sort={sort}")
}

/// The handler.
pub(crate) async fn list(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let f = Frame::of(&who, "containers");
    let all = engine.call(&who.visitor.caller, ListContainers {}).await;
    let mut all = all.map_err(|e| PageError::at(&who, "containers", e))?;
    let total = all.len();
    all.retain(|c| is_match(c, &query.q) && (query.status.is_empty() || c.status.as_str() == query.status));
    sort(&mut all, &query.sort);
    let pages = all.len().div_ceil(ROWS).max(1);
    let number = query.page.parse().unwrap_or(1).clamp(1, pages);
    let shown_total = all.len();
    let language = f.language();
    let rows = all.iter().skip((number - 1) * ROWS).take(ROWS);
    let view = ContainerListPage {
        rows: rows.map(|c| ContainerView::of(language, c)).collect(),
        columns: columns(&f, &query),
        statuses: statuses(&f, &query.status),
        query: query.q.clone(),
        status: query.status.clone(),
        sort: query.sort.clone(),
        total,
        shown_total,
        page: number,
        pages,
        f,
    };
    Ok(page(&view.f, &view))
}

/// Every word must be found in name, number, address or template.
fn is_match(c: &ContainerSummary, query: &str) -> bool {
    let address = c.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let text = format!("{} {} {address} {}", c.name, c.vmid, c.template).to_lowercase();
    query.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn sort(all: &mut [ContainerSummary], by: &str) {
    match by {
        "name" => all.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str())),
        "status" => all.sort_by_key(|c| (c.status.as_str(), c.vmid)),
        "cpu" => all.sort_by_key(|c| (std::cmp::Reverse(c.cpu_usage), c.vmid)),
        "memory" => all.sort_by_key(|c| (std::cmp::Reverse(c.memory_used_bytes), c.vmid)),
        "uptime" => all.sort_by_key(|c| (std::cmp::Reverse(c.uptime_s), c.vmid)),
        "template" => all.sort_by(|a, b| a.template.as_str().cmp(b.template.as_str())),
        // By number, as the engine gives them.
        _ => {}
    }
}

fn columns(f: &Frame, query: &Query) -> Vec<Column> {
    let column = |key: &str, sort: &str, is_number| Column {
        label: f.t(key),
        href: if sort.is_empty() { String::new() } else { href(&query.q, &query.status, sort) },
        is_number,
        is_sorted: !sort.is_empty() && sort == query.sort,
    };
    let actions = Column { label: f.t("actions"), href: String::new(), is_number: false, is_sorted: false };
    vec![
        column("name", "name", false),
        column("status", "status", false),
        column("address", "", false),
        column("cpu", "cpu", true),
        column("memory", "memory", true),
        column("uptime", "uptime", true),
        column("template", "template", false),
        actions,
    ]
}

fn statuses(f: &Frame, chosen: &str) -> Vec<Choice> {
    let any = Choice { value: "", label: f.t("status-any"), is_chosen: chosen.is_empty() };
    let each = ContainerStatus::ALL.map(|status| Choice {
        value: status.as_str(),
        label: StatusView::of(f.language(), status).text,
        is_chosen: chosen == status.as_str(),
    });
    std::iter::once(any).chain(each).collect()
}
