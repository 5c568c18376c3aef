//! The one binary: reads the configuration, wires the floors, waits for signals. No logic beyond that.
//!
//! `serve` runs the engine and keeps the web process, which is this binary again; `worker` is the engine's own confined child and must not start a thread
//! before it is confined; every other verb talks to the engine's socket.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the binary talks to a terminal")]

mod configuration;
mod serve;
mod web_process;

use std::{
    error::Error,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use cli::{Command, Kiste, TemplateCommand};

fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|w| w == "worker") {
        return ExitCode::from(images::worker::main(words.get(2..).unwrap_or_default()));
    }
    if words.get(1).is_some_and(|w| w == web_process::WORD) {
        return web_process::main();
    }
    match run(Kiste::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("kiste: {}", model::error_chain(error.as_ref()).replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn run(kiste: Kiste) -> Result<u8, Box<dyn Error>> {
    if let Command::Version = kiste.command {
        println!("kiste {}", env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    let config = configuration::load(kiste.config.as_deref())?;
    match kiste.command {
        Command::Serve => serve::serve(config).map(|()| 0).map_err(Into::into),
        Command::Configuration { key } => Ok(cli::show_configuration(&config, key.as_deref())?),
        Command::Template(TemplateCommand::Index { folder, key, days }) => {
            let folder = folder.unwrap_or_else(|| config.data_dir.join("templates"));
            let key = key.unwrap_or_else(|| config.data_dir.join("index.key"));
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let written = images::source::index::write(&folder, &key, i64::try_from(now)?, days)?;
            Ok(cli::show_index(&written.index, &written.trust, kiste.json)?)
        }
        Command::Doctor => {
            let socket = config.run_dir.join(serve::LOCAL_SOCKET);
            let engine = match protocol::Client::connect(&socket) {
                Ok(_) => engine::doctor::Engine::Serving,
                Err(_) => engine::doctor::Engine::Absent,
            };
            Ok(cli::show_findings(&engine::doctor::findings(&config, engine), kiste.json))
        }
        _ => {
            // A reader that has heard enough (`kiste list | head`) ends a verb quietly; sockets never send that signal.
            linux::process::reset_signals();
            let socket = config.run_dir.join(serve::LOCAL_SOCKET);
            Ok(cli::run(kiste, &socket)?)
        }
    }
}
