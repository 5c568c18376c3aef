//! The verbs and their options, as clap reads them.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand};
use model::{
    Bytes, Forward, Hostname, Net0, Refusal, TaskId, TemplateName, Vmid, limits::CpuLimit, source::SourceName,
};
use protocol::engine::calls::ContainerRef;

/// Many small machines on one Linux host: full-system containers from templates.
#[derive(Debug, Parser)]
#[command(name = "kiste", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Kiste {
    /// Configuration file.
    #[arg(long, global = true, env = "KISTE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print the task's id and do not wait for its end.
    #[arg(long, global = true)]
    pub no_wait: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  kiste template build debian-12
  kiste create debian-12 --name web --memory 1024 --start
  kiste exec web -- systemctl is-system-running
  kiste enter web
  kiste set web --memory 2048 --cores 2
  kiste shutdown web && kiste destroy web";

/// A verb. Containers are named by number or name.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run engine and web in the foreground.
    Serve,
    /// Check the host: what is missing, and the exact mend.
    Doctor,
    /// Print the configuration as it is read, defaults included; with KEY that value alone, for scripts.
    Configuration {
        /// Such as data_dir.
        key: Option<String>,
    },
    /// Print the version.
    Version,
    /// Print a new one-time code for the setup page, while no administrator exists.
    SetupCode,
    /// Container templates: what containers are made from.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Create a container from an installed template.
    Create(CreateOptions),
    /// List all containers.
    List,
    /// Show one container as one row of the list.
    Status {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Show what was decided about a container.
    Config {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Change limits; they act at once on a running container.
    Set(SetOptions),
    /// Show what a container uses.
    Stats {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Show how to get into a container's application: address, user, password.
    Access {
        /// Container number or name.
        id: ContainerRef,
        /// Show the password too; the audit log remembers it.
        #[arg(long)]
        reveal: bool,
    },
    /// Show how far a container's first boot is, and how its application is.
    Health {
        /// Container number or name.
        id: ContainerRef,
        /// Wait until it is healthy; fail when it becomes unhealthy.
        #[arg(long)]
        wait: bool,
        /// Run the rest of a first boot that failed once more.
        #[arg(long)]
        retry: bool,
    },
    /// Start a container.
    Start {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Ask the container's init to end; end it when the time is up.
    Shutdown {
        /// Container number or name.
        id: ContainerRef,
        /// Seconds to wait.
        #[arg(long, value_name = "S")]
        timeout: Option<u32>,
    },
    /// End a container at once.
    Stop {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Shut down and start again.
    Reboot {
        /// Container number or name.
        id: ContainerRef,
        /// Seconds to wait for the end.
        #[arg(long, value_name = "S")]
        timeout: Option<u32>,
    },
    /// Freeze all processes of a container.
    Suspend {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Let a frozen container go on.
    Resume {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Delete a container with all it holds.
    Destroy {
        /// Container number or name.
        id: ContainerRef,
        /// Also when it runs.
        #[arg(long)]
        force: bool,
    },
    /// Run a command in a container; the exit code is the command's.
    Exec(ExecOptions),
    /// Open a root shell in a container.
    Enter {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Attach to the container's own console; leave it with Ctrl-a q.
    Console {
        /// Container number or name.
        id: ContainerRef,
    },
    /// Tasks: what was done and how it went.
    #[command(subcommand)]
    Task(TaskCommand),
    /// Show the node.
    Node,
    /// Show the audit log, newest first.
    Audit {
        /// At most so many lines.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Confined one-shot work of the engine itself.
    #[command(hide = true)]
    Worker {
        /// Work and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Verbs on templates.
#[derive(Debug, Subcommand)]
pub enum TemplateCommand {
    /// List what can be built from recipes and downloaded from sources.
    Available,
    /// List sources of templates.
    Sources,
    /// Ask sources anew what they offer.
    Refresh {
        /// One source; by default all.
        source: Option<SourceName>,
    },
    /// Download and install a template that a source offers.
    Download {
        /// Its name, or SOURCE/NAME.
        reference: String,
    },
    /// Sign an index of built archives, so that other nodes can download them from any web server.
    Index {
        /// Folder of archives, by default this node's own.
        folder: Option<PathBuf>,
        /// Private key; made when there is none. By default index.key in the data folder.
        #[arg(long)]
        key: Option<PathBuf>,
        /// Days until the index expires.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// List installed templates.
    List,
    /// List what the first boot of an installed template is told by --param.
    Parameters {
        /// Its name.
        name: TemplateName,
    },
    /// Build a template from its recipe and install it.
    Build {
        /// The recipe's name.
        name: TemplateName,
    },
    /// Make a template from a container that is stopped or suspended: its work goes on, its identity and secrets do not.
    Create {
        /// Number or name of the container.
        container: ContainerRef,
        /// Name of the new template.
        #[arg(long)]
        name: TemplateName,
    },
    /// Import an archive: one of ours, or any root file system as .tar.zst, .tar.xz, .tar.gz or .tar.bz2.
    Import {
        /// The archive: a file, or its http or https address.
        file: PathBuf,
        /// What the archive at an address must be: SHA-256 in hex.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Name for an archive that brings none; by default the file's name.
        #[arg(long)]
        name: Option<TemplateName>,
    },
    /// Remove an installed template; containers made from it keep running.
    Remove {
        /// Its name.
        name: TemplateName,
    },
}

/// Verbs on tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// List tasks, newest first.
    List,
    /// Show one task.
    Status {
        /// Its id.
        id: TaskId,
    },
    /// Print a task's log.
    Log {
        /// Its id.
        id: TaskId,
    },
    /// Ask a task to end.
    Cancel {
        /// Its id.
        id: TaskId,
    },
}

/// Limits as options; what is not given stays as it is.
#[derive(Debug, Args)]
pub struct LimitOptions {
    /// Memory in MiB, or with a unit such as 2G.
    #[arg(long, value_name = "MiB", value_parser = mebibytes)]
    pub memory: Option<Bytes>,
    /// Swap on top of memory, in MiB or with a unit.
    #[arg(long, value_name = "MiB", value_parser = mebibytes)]
    pub swap: Option<Bytes>,
    /// Cores it may use; 0: all.
    #[arg(long, value_name = "N")]
    pub cores: Option<u32>,
    /// CPU time in cores, such as 0.5; 0: no limit.
    #[arg(long, value_name = "F", value_parser = cpulimit)]
    pub cpulimit: Option<OptionalCpuLimit>,
    /// CPU weight under contention, 1 to 10000.
    #[arg(long, value_name = "N")]
    pub cpuunits: Option<u32>,
    /// Processes and threads at most.
    #[arg(long, value_name = "N")]
    pub pids: Option<u32>,
}

/// A CPU limit, or none.
#[derive(Debug, Clone, Copy)]
pub struct OptionalCpuLimit(pub Option<CpuLimit>);

fn cpulimit(text: &str) -> Result<OptionalCpuLimit, Refusal> {
    if text == "0" { Ok(OptionalCpuLimit(None)) } else { text.parse().map(|l| OptionalCpuLimit(Some(l))) }
}

fn mebibytes(text: &str) -> Result<Bytes, Refusal> {
    Bytes::parse_with_default_unit(text, Bytes::mib(1))
}

/// Options of create.
#[derive(Debug, Args)]
pub struct CreateOptions {
    /// [VMID] TEMPLATE: an optional number from 100 up, and the template.
    #[arg(required = true, num_args = 1..=2, value_names = ["VMID", "TEMPLATE"])]
    pub what: Vec<String>,
    /// Host name; its first label is the container's name.
    #[arg(long)]
    pub name: Hostname,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Whether it starts with the node: 0 or 1.
    // A plain bool would be a switch, and the word behind it a second template.
    #[arg(long, value_name = "0|1", value_parser = zero_one, default_value = "0", action = ArgAction::Set)]
    pub onboot: bool,
    /// File with root's public ssh keys, one a line.
    #[arg(long, value_name = "FILE")]
    pub ssh_public_keys: Option<PathBuf>,
    /// Read root's password from standard input, one line; without it root has none.
    #[arg(long)]
    pub password_stdin: bool,
    /// What the template's first boot is told, such as site_title="My blog"; NAME=@FILE takes the value from a
    /// file (for passwords). `kiste template parameters TEMPLATE` lists them.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// A port of the node that leads into it, such as 8081:80 or 5353:53/udp; may be given several times.
    #[arg(long = "forward", value_name = "NODE:CONTAINER")]
    pub forwards: Vec<Forward>,
    /// Its interface, such as bridge=vmbr0,ip=dhcp or bridge=vmbr0,ip=192.168.1.50/24,gw=192.168.1.1 for an address
    /// of its own in the LAN of that bridge; more keys: name=eth0, hwaddr, dns=A;B. Without it: on Kiste's own bridge.
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub net0: Option<Net0>,
    /// Start it when it is made.
    #[arg(long)]
    pub start: bool,
}

impl CreateOptions {
    /// Number and template.
    ///
    /// # Errors
    /// A sentence about the word that does not do.
    pub fn parse_what(&self) -> Result<(Option<Vmid>, TemplateName), Refusal> {
        match self.what.as_slice() {
            [vmid, template, ..] => Ok((Some(vmid.parse()?), template.parse()?)),
            // The parser lets at least one through.
            rest => Ok((None, rest.first().map_or("", String::as_str).parse()?)),
        }
    }
}

/// Options of set.
#[derive(Debug, Args)]
pub struct SetOptions {
    /// Container number or name.
    pub id: ContainerRef,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Whether it starts with the node: 0 or 1.
    #[arg(long, value_name = "0|1", value_parser = zero_one)]
    pub onboot: Option<bool>,
    /// Whether it is restarted when its health check keeps failing: 0 or 1.
    #[arg(long, value_name = "0|1", value_parser = zero_one)]
    pub restart_unhealthy: Option<bool>,
    /// Ports of the node that lead into it, such as 8081:80, in place of those it has; acts at once.
    #[arg(long = "forward", value_name = "NODE:CONTAINER")]
    pub forwards: Vec<Forward>,
    /// Take all its port forwards away.
    #[arg(long, conflicts_with = "forwards")]
    pub no_forwards: bool,
    /// Its interface, as at create, while it is stopped; name=eth0 plugs it into Kiste's own bridge again.
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub net0: Option<Net0>,
}

fn zero_one(text: &str) -> Result<bool, String> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("write 0 or 1".to_owned()),
    }
}

/// Options of exec.
#[derive(Debug, Args)]
pub struct ExecOptions {
    /// Container number or name.
    pub id: ContainerRef,
    /// User name or number inside.
    #[arg(long, value_name = "U")]
    pub user: Option<String>,
    /// Working directory inside.
    #[arg(long, value_name = "D")]
    pub cwd: Option<String>,
    /// Environment for the command.
    #[arg(long = "env", value_name = "K=V")]
    pub env: Vec<String>,
    /// The command.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Kiste::command().debug_assert();
    }

    #[test]
    fn create_takes_a_value_for_onboot() {
        for (words, wanted) in [(&["--onboot", "1"][..], true), (&["--onboot", "0"][..], false), (&[], false)]
        {
            let create = ["kiste", "create", "debian-12", "--name", "web"];
            match Kiste::try_parse_from(create.iter().chain(words)).unwrap().command {
                Command::Create(options) => assert_eq!(options.onboot, wanted),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn create_takes_an_optional_number() {
        let parse = |words: &[&str]| match Kiste::try_parse_from(words).unwrap().command {
            Command::Create(options) => options.parse_what().unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(parse(&["kiste", "create", "debian-12", "--name", "web"]).0, None);
        assert_eq!(parse(&["kiste", "create", "105", "debian-12", "--name", "web"]).0.unwrap().get(), 105);
    }
}
