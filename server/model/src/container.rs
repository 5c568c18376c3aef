//! A container: what is wanted of it and what is seen of it. Two types, compared only by the reconciler.

use crate::{
    Application, ContainerName, Forward, Hostname, Limits, TemplateName, Vmid, application::Values, nic::Nic,
    template::ImageRef,
};

/// Everything that is decided about one container; the engine's database owns it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContainerConfig {
    /// Its number.
    pub vmid: Vmid,
    /// Its node-wide unique name.
    pub name: ContainerName,
    /// Its host name; the first label is the name.
    pub hostname: Hostname,
    /// The template it was made from.
    pub template: TemplateName,
    /// Version of that template; empty in containers of before this was kept.
    #[serde(default)]
    pub template_version: String,
    /// The image it runs on.
    pub image: ImageRef,
    /// Its block of host ids: slot number in the instance's range, from 1 up.
    pub id_slot: u32,
    /// What it may use.
    pub limits: Limits,
    /// Its interface, if it has one.
    pub nic: Option<Nic>,
    /// Ports of the node that lead into it.
    #[serde(default)]
    pub forwards: Vec<Forward>,
    /// Whether it starts with the node.
    pub is_onboot: bool,
    /// Whether it is restarted when its health check keeps failing.
    #[serde(default)]
    pub restarts_unhealthy: bool,
    /// The application in it, when its template has one.
    #[serde(default)]
    pub application: Option<Box<InstalledApplication>>,
    /// Counts changes; a form sends it back, so that a stale form is refused.
    pub version: u64,
}

impl ContainerConfig {
    /// The template that it was made from, with its version where that is known.
    #[must_use]
    pub fn made_from(&self) -> String {
        format!("{} {}", self.template, self.template_version).trim_end().to_owned()
    }
}

/// The application that a container was made with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InstalledApplication {
    /// Its name for people.
    pub title: String,
    /// Version of the template.
    pub version: String,
    /// What the template said of it.
    pub about: Application,
    /// Parameters that are no secrets.
    pub values: Values,
}

/// What the operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerState {
    /// It shall run.
    On,
    /// It shall not run.
    Off,
}

/// What the kernel and the journal show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerStatus {
    /// A create task is at work, or was cut off and will be resumed.
    Creating,
    /// No init, ready to start.
    Stopped,
    /// A start task is at work.
    Starting,
    /// Init runs.
    Running,
    /// Init and all its processes are frozen.
    Frozen,
    /// A shutdown, stop or destroy task is at work.
    Stopping,
    /// The last start, stop or create failed; the reason stands beside it.
    Failed,
    /// Nothing can be said: the shim does not answer.
    Unknown,
}

impl ContainerStatus {
    /// All, for tests and pages.
    pub const ALL: [Self; 8] = [
        Self::Creating,
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Frozen,
        Self::Stopping,
        Self::Failed,
        Self::Unknown,
    ];

    /// The word in JSON and message keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Frozen => "frozen",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Whether init is alive.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Frozen)
    }
}
