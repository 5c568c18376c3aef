//! The shim's socket: the plan it starts from, what it is asked, what it says.
//!
//! `run_dir/shim/<vmid>.sock`, 0600, peer uid 0 only. The plan comes as JSON in a sealed memfd. A shim
//! may be older than the engine: fields are only ever added, with a default.

use std::path::PathBuf;

use model::{Hostname, Vmid, file_template::MadeFile, idmap::IdMap, nic::LanIp};

use crate::viewer::TermSize;

/// Version of this protocol; a shim says it in [`ShimInfo`].
pub const VERSION: u32 = 1;

/// Everything a shim needs to launch its container, and to launch it again after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShimPlan {
    /// [`VERSION`] of the engine that wrote it.
    pub version: u32,
    /// The container.
    pub vmid: Vmid,
    /// Its host name.
    pub hostname: Hostname,
    /// Its block of ids.
    pub id_map: IdMap,
    /// Trees of the image's layers, base first.
    pub layers: Vec<PathBuf>,
    /// The container's own layer: a folder that holds `upper` and `work`.
    pub own_layer: PathBuf,
    /// Where its cgroups are.
    pub cgroup: CgroupPlan,
    /// Interfaces to make.
    #[serde(default)]
    pub nics: Vec<NicPlan>,
    /// Path of init and its arguments.
    pub init: Vec<String>,
    /// `KEY=value` for init, and the ground for exec.
    pub env: Vec<String>,
    /// Capabilities to keep in the bounding set, one bit each (capabilities(7)).
    pub capabilities: u64,
    /// Resource limits for init; a raise that is not permitted is clamped.
    #[serde(default)]
    pub rlimits: Vec<RlimitPlan>,
    /// Classic BPF program of the system call filter, as `struct sock_filter` bytes; empty: none.
    #[serde(default)]
    pub seccomp: Vec<u8>,
    /// Bytes of console scrollback.
    pub scrollback_bytes: u32,
}

/// The container's cgroups, made and limited by the engine before the shim starts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CgroupPlan {
    /// `<root>/<vmid>/payload` in the v2 tree, delegated to the container's root.
    pub payload: PathBuf,
    /// On hybrid hosts the v1 groups that init and every exec join: each a folder with a `tasks` file.
    #[serde(default)]
    pub v1_groups: Vec<PathBuf>,
}

/// An interface: a finished RTM_NEWLINK message in which only the network namespace is missing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NicPlan {
    /// Name of the host end; a left-over of that name is deleted first.
    pub host_interface: String,
    /// rtnetlink(7) message.
    pub message: Vec<u8>,
    /// Where in it the 32-bit process id whose network namespace gets the peer has to be written.
    pub netns_pid_offset: usize,
}

/// One resource limit (getrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RlimitPlan {
    /// Number of the resource.
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// What a shim is started for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ShimTask {
    /// Launch init and stay.
    Launch(ShimPlan),
    /// Take over a running init whose shim has died, found by the plan's cgroup; answered with
    /// [`LaunchReport::Launched`] and `is_adopted`. Commands work as before. The console has no past and
    /// is only heard again after a restart; how init ends cannot be known: [`ExitRecord::Exited`] with
    /// -1, a reboot from inside included.
    Adopt(ShimPlan),
    /// Put settings into the tree from inside the container's namespaces, without init, and end.
    Inject(ShimPlan, Vec<Injection>),
}

/// A setting put into a container's tree, as its root, with paths resolved inside it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Injection {
    /// Host name and the names of loopback: `/etc/hostname`, `/etc/hosts`.
    Hostname(Hostname),
    /// DHCP or a given address on eth0, in the manner of the system found there.
    Network(LanIp),
    /// Root's password as a crypt(5) hash.
    RootPassword(String),
    /// Public keys for root, one a line.
    SshKeys(String),
    /// What the first boot is told, by name.
    Parameters(std::collections::BTreeMap<String, String>),
    /// Variables for TurnKey's first boot: `/etc/inithooks.conf`.
    Inithooks(std::collections::BTreeMap<String, String>),
    /// Files that the template has for each new container.
    Files(Vec<MadeFile>),
}

impl std::fmt::Debug for Injection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hostname(_) => "Hostname",
            Self::Network(_) => "Network",
            Self::RootPassword(_) => "RootPassword",
            Self::SshKeys(_) => "SshKeys",
            Self::Parameters(_) => "Parameters",
            Self::Inithooks(_) => "Inithooks",
            Self::Files(_) => "Files",
        })
    }
}

/// What the shim sends first on the socket it was started with, once: how the launch or injection went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LaunchReport {
    /// Init runs (its exec succeeded); the shim listens on its socket.
    Launched(ShimInfo),
    /// Injection is done.
    Injected,
    /// It failed at a step; everything the shim had made is gone again.
    Failed(LaunchFailure),
}

/// Why a launch failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaunchFailure {
    /// The step, such as `mount overlay` or `exec init`.
    pub step: String,
    /// Errno, 0 when it is not one.
    pub errno: i32,
    /// More for the operator, may be empty: a path, what was found.
    pub detail: String,
}

/// Who and what a shim is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShimInfo {
    /// Protocol version of the shim.
    pub version: u32,
    /// Its container.
    pub vmid: Vmid,
    /// Process id of init on the host.
    pub init_pid: i32,
    /// Start time of init in clock ticks since boot (proc_pid_stat(5), field 22).
    pub init_start_ticks: u64,
    /// How often it has relaunched after a reboot from inside.
    pub reboots: u32,
    /// Set when init has ended and the shim only waits to be asked for it.
    pub exit: Option<ExitRecord>,
    /// Set when this shim adopted a running init: the scrollback before that is lost.
    #[serde(default)]
    pub is_adopted: bool,
}

/// How init ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ExitRecord {
    /// `poweroff` or `halt` inside (init was ended by SIGINT), or exit code 0.
    PoweredOff,
    /// Init ended with an exit code; below 0 it is not known, since an adopting shim is not told.
    Exited(i32),
    /// Init was ended by a signal.
    Killed(i32),
    /// Reboot was asked for inside and the relaunch failed.
    RelaunchFailed(LaunchFailure),
}

/// A call to the shim.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ShimRequest {
    /// Who are you? Answer: [`ShimReply::Info`].
    Info,
    /// Attach to the console; answer [`ShimReply::Viewer`] with one descriptor; scrollback comes first.
    OpenConsole(TermSize),
    /// Run a command inside; answer [`ShimReply::Viewer`] with one descriptor.
    Exec(ExecPlan),
    /// Send init a signal; answer [`ShimReply::Done`].
    SignalInit(i32),
    /// Close all viewers at once (rights were taken away); answer [`ShimReply::Done`].
    RevokeViewers,
    /// Use this plan at the next relaunch (limits or interface changed); answer [`ShimReply::Done`].
    ReplacePlan(Box<ShimPlan>),
    /// Tell me of [`ShimReply::Event`] on this connection from now on; answer [`ShimReply::Done`].
    Subscribe,
    /// The exit record has been stored: end. Only after init has ended. No answer, the connection closes.
    Collect,
}

/// A command to run inside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExecPlan {
    /// Command and arguments; the command is looked up in the container's PATH.
    pub argv: Vec<String>,
    /// `KEY=value` on top of the container's environment.
    #[serde(default)]
    pub env: Vec<String>,
    /// User name or number, looked up inside; `None`: root.
    #[serde(default)]
    pub user: Option<String>,
    /// Working directory; `None`: the user's home, or `/`.
    #[serde(default)]
    pub cwd: Option<String>,
    /// With a pty of this size; `None`: pipes, with standard error apart.
    #[serde(default)]
    pub pty: Option<TermSize>,
}

/// An answer or event of the shim.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ShimReply {
    /// Answer to [`ShimRequest::Info`].
    Info(ShimInfo),
    /// A viewer socket rides along.
    Viewer,
    /// Done.
    Done,
    /// Refused or failed.
    Failed(LaunchFailure),
    /// Init ended for good, or was relaunched after a reboot from inside.
    Event(ShimInfo),
}
