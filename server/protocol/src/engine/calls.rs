//! Every call to the engine with its reply. `read` calls change nothing; `change` calls need the
//! anti-forgery token when they come from the web process; `open` calls need no session.

use std::collections::BTreeMap;

use model::{
    Bytes, ContainerName, Forward, Hostname, Limits, Net0, TaskId, TemplateName, Vmid, access::UserId,
    container::PowerState, finding::Finding, limits::CpuLimit, source::SourceName, task::Task,
    template::ContainerTemplate,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Secret, view::*};
use crate::viewer::TermSize;

/// A call and the type of its reply.
pub trait Call: Serialize + Into<Request> {
    /// What comes back.
    type Reply: Serialize + DeserializeOwned;
}

/// What a call may do without further proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallClass {
    /// Needs no session: what a stranger may ask.
    Open,
    /// Needs a session.
    Read,
    /// Needs a session and, from the web process, the anti-forgery token.
    Change,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $class:ident $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)* } -> $reply:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }
            impl Call for $name { type Reply = $reply; }
            impl From<$name> for Request {
                fn from(call: $name) -> Self { Self::$name(call) }
            }
        )*
        /// Any call.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "each variant is the documented struct of its name")]
        pub enum Request { $($name($name),)* }
        impl Request {
            /// Every call's name and class, for tests and the audit log.
            pub const ALL: &'static [(&'static str, CallClass)] = &[$((stringify!($name), CallClass::$class),)*];
            /// The call's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }
            /// What the call may do.
            #[must_use]
            pub fn class(&self) -> CallClass {
                match self { $(Self::$name(_) => CallClass::$class,)* }
            }
        }
    };
}

/// A container by number or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContainerRef {
    /// By number.
    Vmid(Vmid),
    /// By name.
    Name(ContainerName),
}

impl std::str::FromStr for ContainerRef {
    type Err = model::Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self::Vmid).or_else(|_| s.parse().map(Self::Name))
    }
}

impl From<Vmid> for ContainerRef {
    fn from(vmid: Vmid) -> Self {
        Self::Vmid(vmid)
    }
}

impl std::fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vmid(v) => v.fmt(f),
            Self::Name(n) => n.fmt(f),
        }
    }
}

/// Limits to change; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitChanges {
    /// Memory.
    pub memory_max: Option<Bytes>,
    /// Swap.
    pub swap_max: Option<Bytes>,
    /// Cores; `Some(None)` takes the limit away.
    #[serde(with = "double_option")]
    pub cores: Option<Option<u32>>,
    /// CPU limit; `Some(None)` takes it away.
    #[serde(with = "double_option")]
    pub cpulimit: Option<Option<CpuLimit>>,
    /// CPU weight.
    pub cpuunits: Option<u32>,
    /// Processes.
    pub pids_max: Option<u32>,
}

impl LimitChanges {
    /// The limits after the change.
    #[must_use]
    pub fn apply_to(&self, old: Limits) -> Limits {
        Limits {
            memory_max: self.memory_max.unwrap_or(old.memory_max),
            swap_max: self.swap_max.unwrap_or(old.swap_max),
            cores: self.cores.unwrap_or(old.cores),
            cpulimit: self.cpulimit.unwrap_or(old.cpulimit),
            cpuunits: self.cpuunits.unwrap_or(old.cpuunits),
            pids_max: self.pids_max.unwrap_or(old.pids_max),
        }
    }
}

/// JSON has one null: absent is "leave it", null is "take it away".
mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        // Tagged by a list: [] is absent, [null] is none, [x] is x.
        value.iter().collect::<Vec<_>>().serialize(s)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Ok(Vec::<Option<T>>::deserialize(d)?.into_iter().next())
    }
}

/// Which terminal of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleKind {
    /// A root shell without password.
    Shell,
    /// The container's own console with its login prompt and boot messages.
    Login,
}

calls! {
    /// What a stranger may know: whether setup is due.
    Open GetWelcome {} -> Welcome;
    /// Ends the setup: code, first administrator.
    Open CompleteSetup {
        /// The one-time code.
        code: Secret,
        /// The first administrator.
        user: UserId,
        /// Their password.
        password: Secret,
    } -> NewSession;
    /// Log in.
    Open Login {
        /// Who.
        user: UserId,
        /// Their password.
        password: Secret,
    } -> NewSession;
    /// End this session.
    Change Logout {} -> ();
    /// Who this session is, what it may, and its anti-forgery token.
    Read GetSession {} -> SessionView;
    /// The node's name, version and capacity.
    Read GetNode {} -> NodeView;
    /// Checks of the host.
    Read GetDoctor {} -> Vec<Finding>;
    /// Makes a new setup code while no administrator exists; local root only.
    Change NewSetupCode {} -> Secret;

    /// All containers the caller may see, by number.
    Read ListContainers {} -> Vec<ContainerSummary>;
    /// One container in full.
    Read GetContainer {
        /// Which.
        container: ContainerRef,
    } -> ContainerDetail;
    /// Create a container.
    Change CreateContainer {
        /// Its number; `None`: the lowest free one.
        vmid: Option<Vmid>,
        /// Its host name; the first label becomes its name.
        hostname: Hostname,
        /// The installed template.
        template: TemplateName,
        /// Limits beside the defaults.
        limits: LimitChanges,
        /// Whether it starts with the node.
        is_onboot: bool,
        /// Whether to start it when it is made.
        power: PowerState,
        /// Root's password; `None`: locked, the console works without.
        password: Option<Secret>,
        /// Root's public keys, one a line; empty: none.
        ssh_keys: String,
        /// Its interface; `None`: on the instance's own bridge.
        net0: Option<Net0>,
        /// What the template's first boot is told; secrets among it.
        parameters: BTreeMap<String, Secret>,
        /// Ports of the node that lead into it.
        forwards: Vec<Forward>,
    } -> CreatedContainer;
    /// The stored password of its application.
    Change RevealPassword {
        /// Which.
        container: ContainerRef,
    } -> Secret;
    /// Run the rest of a first boot that failed.
    Change RetryFirstBoot {
        /// Which.
        container: ContainerRef,
    } -> ();
    /// Change limits or start at boot; limits act at once on a running container.
    Change SetContainer {
        /// Which.
        container: ContainerRef,
        /// The version the caller saw; `None`: whatever it is.
        version: Option<u64>,
        /// Limits to change.
        limits: LimitChanges,
        /// Whether it starts with the node; `None`: as it is.
        is_onboot: Option<bool>,
        /// Whether it is restarted when its health check keeps failing; `None`: as it is.
        restarts_unhealthy: Option<bool>,
        /// Ports of the node that lead into it, all of them; `None`: as they are.
        forwards: Option<Vec<Forward>>,
        /// Its interface, while it is stopped; `None`: as it is.
        net0: Option<Net0>,
    } -> ContainerDetail;
    /// Start it.
    Change StartContainer {
        /// Which.
        container: ContainerRef,
    } -> TaskId;
    /// Ask init to end; end it when it has not after the timeout.
    Change ShutdownContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds; `None`: 60.
        timeout_s: Option<u32>,
    } -> TaskId;
    /// End it at once.
    Change StopContainer {
        /// Which.
        container: ContainerRef,
    } -> TaskId;
    /// Shut down and start again.
    Change RebootContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds; `None`: 60.
        timeout_s: Option<u32>,
    } -> TaskId;
    /// Freeze it.
    Change SuspendContainer {
        /// Which.
        container: ContainerRef,
    } -> TaskId;
    /// Thaw it.
    Change ResumeContainer {
        /// Which.
        container: ContainerRef,
    } -> TaskId;
    /// Delete it with all it holds.
    Change DestroyContainer {
        /// Which.
        container: ContainerRef,
        /// Also when it runs.
        is_forced: bool,
    } -> TaskId;
    /// Run a command; a viewer socket rides on the answer. Local root only.
    Change Exec {
        /// Where.
        container: ContainerRef,
        /// What.
        plan: crate::shim::ExecPlan,
    } -> ();
    /// A one-use ticket for one console of one container, bound to this session, good for 30 seconds.
    Change NewConsoleTicket {
        /// Which.
        container: ContainerRef,
        /// Which terminal.
        console: ConsoleKind,
    } -> Secret;
    /// Attach; a viewer socket rides on the answer. The web process needs a ticket, local root none.
    Read OpenConsole {
        /// Which.
        container: ContainerRef,
        /// Which terminal.
        console: ConsoleKind,
        /// The viewer's size.
        size: TermSize,
        /// Ticket.
        ticket: Option<Secret>,
    } -> ();

    /// Installed templates.
    Read ListTemplates {} -> Vec<ContainerTemplate>;
    /// Opens a file of this node's signed index, or an archive that it names; its size, and it as a descriptor. Only
    /// where the configuration gives them away.
    Open OpenSharedFile {
        /// Its name.
        file: String,
    } -> Bytes;
    /// Sources of templates.
    Read ListSources {} -> Vec<SourceView>;
    /// What they offered when they were last asked.
    Read ListOffers {} -> Vec<OfferView>;
    /// Asks one source, or all, what they offer.
    Change RefreshSources {
        /// Which; `None`: all.
        source: Option<SourceName>,
    } -> TaskId;
    /// Downloads and installs what a source offers.
    Change DownloadTemplate {
        /// Whose offer, when several have one.
        source: Option<SourceName>,
        /// The template.
        template: TemplateName,
    } -> TaskId;
    /// Downloads and installs an archive from anywhere.
    Change ImportTemplateUrl {
        /// From where.
        url: String,
        /// What it must be: SHA-256 in hex.
        sha256: String,
        /// Name for an archive that brings none.
        name: Option<TemplateName>,
    } -> TaskId;
    /// Recipes that can be built.
    Read ListRecipes {} -> Vec<AvailableRecipe>;
    /// Build a recipe.
    Change BuildTemplate {
        /// Which recipe.
        recipe: TemplateName,
    } -> TaskId;
    /// Make a template from a container that is stopped or frozen.
    Change CreateTemplate {
        /// Which container.
        container: ContainerRef,
        /// The new template's name.
        name: TemplateName,
    } -> TaskId;
    /// An empty spool file (its descriptor rides on the answer) for an archive to import.
    Change NewSpool {} -> ();
    /// Import an archive whose descriptor rides on the call.
    Change ImportTemplate {
        /// Name for an archive that brings none.
        name: Option<TemplateName>,
    } -> TaskId;
    /// Remove an installed template; containers made from it keep running.
    Change RemoveTemplate {
        /// Which.
        template: TemplateName,
    } -> TaskId;

    /// Tasks, newest first.
    Read ListTasks {
        /// At most so many.
        limit: u32,
        /// Only of this container.
        container: Option<Vmid>,
    } -> Vec<Task>;
    /// One task.
    Read GetTask {
        /// Which.
        task: TaskId,
    } -> Task;
    /// A task's log from a line on.
    Read GetTaskLog {
        /// Which.
        task: TaskId,
        /// First line, from 0.
        from: u32,
    } -> Vec<String>;
    /// Ask a task to end.
    Change CancelTask {
        /// Which.
        task: TaskId,
    } -> ();
    /// Events from now on, on this connection: first a snapshot, then changes.
    Read Subscribe {
        /// Of what.
        topics: Vec<super::events::Topic>,
    } -> ();
    /// The newest audit entries.
    Read ListAudit {
        /// At most so many.
        limit: u32,
    } -> Vec<AuditEntry>;
    /// Free settings of the reader, such as language and theme.
    Change SetPreferences {
        /// Key and value; known keys only.
        preferences: BTreeMap<String, String>,
    } -> ();
}
