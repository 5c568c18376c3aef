//! The `kiste` verbs: what a person types, calls to the engine, what a person reads.
//!
//! Modelled on Proxmox's `pct`. Exit codes: 0 done, 1 failed (one line on standard error), 2 wrong
//! usage; `exec` ends with the command's own. With `--json` nothing but JSON goes to standard output.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this crate is the one that talks to a terminal"
)]

mod applications;
mod command;
mod containers;
mod node;
mod show;
mod tasks;
mod templates;
mod terminal;

use std::path::Path;

use protocol::{CallError, Client};
use thiserror::Error;

pub use command::{Command, Kiste, TemplateCommand};

/// Why a verb failed; its text is the one line that the person reads.
#[derive(Debug, Error)]
pub enum CliError {
    /// Nobody answers at the socket.
    #[error("the engine is not running (no answer at {0}): start it with `kiste serve`")]
    NotRunning(std::path::PathBuf),
    /// The engine refused, or the connection broke.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The task ended badly.
    #[error("{0}")]
    TaskFailed(String),
    /// An option or file that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// A file.
    #[error("cannot read {0}: {1}")]
    File(std::path::PathBuf, std::io::Error),
    /// The terminal.
    #[error("the terminal failed: {0}")]
    Terminal(std::io::Error),
}

/// A connection for one verb.
pub(crate) struct Session {
    socket: std::path::PathBuf,
    client: Client,
    is_json: bool,
    is_waiting: bool,
}

impl Session {
    fn open(socket: &Path, kiste: &Kiste) -> Result<Self, CliError> {
        let client = Client::connect(socket).map_err(|_| CliError::NotRunning(socket.to_owned()))?;
        Ok(Self { socket: socket.to_owned(), client, is_json: kiste.json, is_waiting: !kiste.no_wait })
    }

    /// Another connection, for a stream.
    fn another(&self) -> Result<Client, CliError> {
        Client::connect(&self.socket).map_err(|_| CliError::NotRunning(self.socket.clone()))
    }
}

/// Runs a verb against the engine at `socket`; gives the exit code.
///
/// # Errors
/// [`CliError`] with the line to print.
pub fn run(kiste: Kiste, socket: &Path) -> Result<u8, CliError> {
    let session = Session::open(socket, &kiste)?;
    match kiste.command {
        Command::Template(verb) => templates::run(&session, verb),
        Command::Task(verb) => tasks::run(&session, verb),
        Command::Create(options) => containers::create(&session, &options),
        Command::Set(options) => containers::set(&session, options),
        Command::List => containers::list(&session),
        Command::Status { id } => containers::status(&session, id),
        Command::Config { id } => containers::config(&session, id),
        Command::Stats { id } => containers::stats(&session, id),
        Command::Access { id, reveal } => applications::access(&session, &id, reveal),
        Command::Health { id, wait, retry } => applications::health(&session, &id, wait, retry),
        Command::Start { id } => containers::start(&session, id),
        Command::Stop { id } => containers::stop(&session, id),
        Command::Shutdown { id, timeout } => containers::shutdown(&session, id, timeout),
        Command::Reboot { id, timeout } => containers::reboot(&session, id, timeout),
        Command::Suspend { id } => containers::suspend(&session, id),
        Command::Resume { id } => containers::resume(&session, id),
        Command::Destroy { id, force } => containers::destroy(&session, id, force),
        Command::Exec(options) => terminal::exec(&session, options),
        Command::Enter { id } => terminal::enter(&session, id),
        Command::Console { id } => terminal::console(&session, id),
        Command::SetupCode => node::setup_code(&session),
        Command::Node => node::node(&session),
        Command::Audit { limit } => node::audit(&session, limit),
        // The binary's own; it never hands them on.
        Command::Serve
        | Command::Doctor
        | Command::Configuration { .. }
        | Command::Version
        | Command::Worker { .. } => Ok(2),
    }
}

/// Prints findings of the host; gives 1 when one of them is a blocker.
#[must_use]
pub fn show_findings(findings: &[model::finding::Finding], is_json: bool) -> u8 {
    node::findings(findings, is_json)
}

/// Prints what an index holds, and what others configure to believe it.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn show_index(
    index: &model::source::Index,
    trust: &model::source::Trust,
    is_json: bool,
) -> Result<u8, CliError> {
    templates::show_index(index, trust, is_json)
}

/// Prints the checked configuration, or one value of it: a text as it is, anything else as JSON.
///
/// # Errors
/// When there is no such key.
pub fn show_configuration(config: &model::config::Config, key: Option<&str>) -> Result<u8, CliError> {
    let Some(key) = key else { return show::json(config) };
    let all = serde_json::to_value(config).map_err(|e| CliError::Usage(e.to_string()))?;
    match all.get(key) {
        Some(serde_json::Value::String(text)) => println!("{text}"),
        Some(value) => println!("{value}"),
        None => {
            let text = format!("the configuration has no {key:?}: `kiste configuration` shows all keys");
            return Err(CliError::Usage(text));
        }
    }
    Ok(0)
}
