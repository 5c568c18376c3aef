//! What replies are made of: views of containers, sessions, the node.

use std::{collections::BTreeMap, net::IpAddr};

use model::{
    Bytes, ContainerConfig, ContainerName, ContainerStatus, NodeName, TaskId, TemplateName, Vmid,
    access::UserId,
    application::{Texts, Values},
    health::{FirstBoot, HealthChange, HealthState},
    limits::HostCapacity,
    nic::LinkName,
    stats::ContainerStats,
};
use serde::{Deserialize, Serialize};

use super::Secret;

/// What a stranger sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The node's name.
    pub node: NodeName,
    /// Whether the first administrator is still missing.
    pub is_setup_due: bool,
}

/// A fresh session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSession {
    /// The token in Proxmox's ticket form; the cookie's value.
    pub token: Secret,
    /// The session itself.
    pub session: SessionView,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionView {
    /// The node's name.
    pub node: NodeName,
    /// Who.
    pub user: UserId,
    /// Anti-forgery token for forms.
    pub csrf: Secret,
    /// Privileges at `/` by Proxmox's names.
    pub privileges: Vec<String>,
    /// Language, theme.
    pub preferences: BTreeMap<String, String>,
    /// Tasks at work that the user may see.
    pub tasks_running: usize,
}

/// The node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub node: NodeName,
    /// Kiste's version.
    pub version: String,
    /// Cores and memory.
    pub capacity: HostCapacity,
    /// Memory promised to running containers.
    pub memory_promised: Bytes,
    /// Memory the host could hand out now (`MemAvailable`).
    pub memory_available: Bytes,
    /// Free bytes where containers lie.
    pub disk_free: Bytes,
    /// `v2` or `hybrid`.
    pub cgroup_layout: String,
    /// The bridge's network.
    pub subnet: String,
    /// The next port of the node that could be forwarded.
    pub port_free: u16,
    /// Bridges of the host that containers can be plugged in, by name.
    #[serde(default)]
    pub bridges: Vec<LinkName>,
}

/// A container as lists show it; `kiste list --json` prints these fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSummary {
    /// Number.
    pub vmid: Vmid,
    /// Name.
    pub name: ContainerName,
    /// Status.
    pub status: ContainerStatus,
    /// Why it failed or is unknown.
    pub reason: Option<String>,
    /// The task at work on it.
    pub task: Option<TaskId>,
    /// Memory limit in bytes.
    pub memory_max_bytes: u64,
    /// Memory in use in bytes, 0 when stopped.
    pub memory_used_bytes: u64,
    /// Cores it may use: its limit, or all of the node's.
    pub cores: u32,
    /// CPU in use in hundredths of a percent of one core.
    pub cpu_usage: u32,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// The template it was made from.
    pub template: TemplateName,
    /// Seconds since init started, 0 when stopped.
    pub uptime_s: u64,
    /// Whether it starts with the node.
    pub onboot: bool,
    /// How its application is; `None`: it has none, or is not up.
    #[serde(default)]
    pub health: Option<HealthState>,
}

/// A container in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerDetail {
    /// As in the list.
    pub summary: ContainerSummary,
    /// What was decided about it.
    pub config: ContainerConfig,
    /// First host id of its block.
    pub id_base: u32,
    /// What it uses now; `None` when it is stopped.
    pub usage: Option<Usage>,
    /// What the caller may do with it, by Proxmox's names.
    pub privileges: Vec<String>,
    /// Limits that this host cannot enforce, with the reason.
    pub unenforced: Vec<String>,
    /// The application in it; `None`: it has none.
    #[serde(default)]
    pub application: Option<ApplicationView>,
}

/// A recipe beside what is installed under its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AvailableRecipe {
    /// What it says.
    #[serde(flatten)]
    pub recipe: model::template::RecipeSummary,
    /// Whether it was built as it is now.
    pub state: RecipeState,
    /// Version of the template that is installed under its name.
    pub installed: Option<String>,
}

/// Whether a recipe was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipeState {
    /// Nothing is installed under its name.
    New,
    /// It was built as it is now; another build takes newer packages.
    Built,
    /// It says something else than what is installed was built from, or a recipe that it stands on does.
    Changed,
}

impl RecipeState {
    /// The word in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Built => "built",
            Self::Changed => "changed",
        }
    }
}

/// A source of templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    /// What the configuration says.
    #[serde(flatten)]
    pub source: model::source::Source,
    /// When it was last asked with success, Unix seconds.
    pub refreshed: Option<i64>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// How many templates it offers.
    pub offers: usize,
}

/// An offer of a source beside what is installed under its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferView {
    /// Whose.
    pub source: model::source::SourceName,
    /// What.
    #[serde(flatten)]
    pub offer: model::source::Offer,
    /// How it stands to what is installed.
    pub state: OfferState,
    /// Version of the template that is installed under its name.
    pub installed: Option<String>,
}

/// How an offer stands to what is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferState {
    /// Nothing is installed under its name.
    New,
    /// This version is installed.
    Installed,
    /// Another version is installed.
    Other,
}

impl OfferState {
    /// The word in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Installed => "installed",
            Self::Other => "other",
        }
    }
}

/// An application: how to get in, and how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationView {
    /// Its name for people.
    pub title: String,
    /// Version of the template that it was made from.
    pub version: String,
    /// Where the browser goes.
    pub url: Option<String>,
    /// The user's name there.
    pub user: Option<String>,
    /// Whether a password is stored.
    pub has_password: bool,
    /// What to do next.
    pub next: Texts,
    /// Parameters that are no secrets.
    pub values: Values,
    /// How far the first boot is.
    pub first_boot: FirstBoot,
    /// How it is now, and since when; `None`: not looked at.
    pub health: Option<HealthChange>,
    /// Changes of that, newest first.
    pub history: Vec<HealthChange>,
}

/// A reading with rates.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// The reading.
    pub stats: ContainerStats,
    /// CPU in hundredths of a percent of one core.
    pub cpu_usage: u32,
    /// Received bytes a second.
    pub rx_rate: u64,
    /// Sent bytes a second.
    pub tx_rate: u64,
}

/// What a create call made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedContainer {
    /// Its number.
    pub vmid: Vmid,
    /// Its name.
    pub name: ContainerName,
    /// The task that makes (and starts) it.
    pub task: TaskId,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Unix seconds.
    pub time: i64,
    /// Who; may be a name that failed to log in.
    pub actor: String,
    /// From where.
    pub address: Option<IpAddr>,
    /// What, the call's name.
    pub action: String,
    /// On what.
    pub object: String,
    /// `ok`, `denied` or `failed`.
    pub result: String,
}
