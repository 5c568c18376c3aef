//! The containers' pages, and how a container is shown on all of them.

pub(crate) mod application;
pub(crate) mod confirm;
pub(crate) mod console;
pub(crate) mod delete;
mod interface;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod power;
pub(crate) mod resources;
pub(crate) mod show;
pub(crate) mod tasks;
pub(crate) mod template;

use model::{Bytes, ContainerStatus, Refusal};
use protocol::engine::{
    ApiError,
    calls::{ContainerRef, GetContainer},
    view::{ContainerDetail, ContainerSummary},
};

use application::HealthView;

use crate::{engine::EngineClient, error::PageError, format, text::Language, visitor::SignedIn};

/// A status as all pages show it: icon, word and colour together.
#[derive(Debug, Clone)]
pub(crate) struct StatusView {
    /// For class names.
    pub(crate) word: &'static str,
    /// For people.
    pub(crate) text: String,
    /// The icon's name.
    pub(crate) icon: &'static str,
}

impl StatusView {
    /// Of a container.
    pub(crate) fn of(language: Language, status: ContainerStatus) -> Self {
        let (key, icon) = match status {
            ContainerStatus::Creating => ("status-creating", "loader"),
            ContainerStatus::Stopped => ("status-stopped", "square"),
            ContainerStatus::Starting => ("status-starting", "clock"),
            ContainerStatus::Running => ("status-running", "play"),
            ContainerStatus::Frozen => ("status-frozen", "pause"),
            ContainerStatus::Stopping => ("status-stopping", "clock"),
            ContainerStatus::Failed => ("status-failed", "triangle-alert"),
            ContainerStatus::Unknown => ("status-unknown", "circle-help"),
        };
        Self { word: status.as_str(), text: language.text(key), icon }
    }
}

/// A container as lists and heads show it.
#[derive(Debug, Clone)]
pub(crate) struct ContainerView {
    /// What its live values are found by.
    pub(crate) key: String,
    /// Number.
    pub(crate) vmid: String,
    /// Name.
    pub(crate) name: String,
    /// Status.
    pub(crate) status: StatusView,
    /// Why it failed; empty: it did not.
    pub(crate) reason: String,
    /// The task at work on it; empty: none.
    pub(crate) task: String,
    /// Addresses.
    pub(crate) address: String,
    /// CPU in use.
    pub(crate) cpu: String,
    /// Memory in use.
    pub(crate) memory: String,
    /// Memory limit.
    pub(crate) memory_max: String,
    /// Memory in use, percent of the limit.
    pub(crate) memory_share: u64,
    /// The template.
    pub(crate) template: String,
    /// Time since its start.
    pub(crate) uptime: String,
    /// Whether it starts with the node.
    pub(crate) onboot: bool,
    /// How its application is, for people; empty: it has none or is not up.
    pub(crate) health: String,
}

impl ContainerView {
    /// Of a summary.
    pub(crate) fn of(language: Language, c: &ContainerSummary) -> Self {
        let is_up = c.status.is_up();
        let when_up = |text: String| if is_up { text } else { "–".to_owned() };
        Self {
            key: format!("ct-{}", c.vmid),
            vmid: c.vmid.to_string(),
            name: c.name.to_string(),
            status: StatusView::of(language, c.status),
            reason: c.reason.clone().unwrap_or_default(),
            task: c.task.as_ref().map(ToString::to_string).unwrap_or_default(),
            address: c.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            cpu: when_up(format::percent(language, c.cpu_usage.into())),
            memory: when_up(format::bytes(language, Bytes(c.memory_used_bytes))),
            memory_max: format::bytes(language, Bytes(c.memory_max_bytes)),
            memory_share: if is_up { format::share(c.memory_used_bytes, c.memory_max_bytes) } else { 0 },
            template: c.template.to_string(),
            uptime: when_up(format::duration(c.uptime_s)),
            onboot: c.onboot,
            health: c.health.map(|h| HealthView::of(language, h).text).unwrap_or_default(),
        }
    }

    /// What its memory is found by.
    pub(crate) fn memory_key(&self) -> String {
        format!("{}-memory", self.key)
    }
}

/// The container that an address names, by number or name.
pub(crate) async fn load(
    engine: &EngineClient,
    who: &SignedIn,
    name: &str,
) -> Result<ContainerDetail, PageError> {
    let at = |e| PageError::at(who, "containers", e);
    let container = parse(name).map_err(at)?;
    engine.call(&who.visitor.caller, GetContainer { container }).await.map_err(at)
}

/// A container by what stands in an address.
pub(crate) fn parse(name: &str) -> Result<ContainerRef, ApiError> {
    name.parse().map_err(|_| Refusal::NoContainer { name: name.to_owned() }.into())
}
