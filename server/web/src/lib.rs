//! The web process: pages, event streams, console bridge. It renders, the engine decides.
//!
//! | part | task |
//! | --- | --- |
//! | [`tls`] | certificate and key |
//! | `app` | every route, with what it needs |
//! | `engine` | calls to the engine's socket, for whoever shows a session cookie |
//! | `visitor` | who looks: session, language, theme |
//! | `hosts` | under which names the site may be asked for |
//! | `guard` | headers of every answer; where a change may come from |
//! | `error` | from the engine's refusals to status and page |
//! | `pages` | one file a page, with its form |
//! | `live` | events to patches of a page; server-sent events |
//! | `streams` | how many of them are open |
//! | `console` | WebSocket to viewer socket |
//! | `text`, `format` | message catalogue; numbers and times as people read them |
//! | `assets` | style sheets, scripts and icons, under addresses that name their content |
//!
//! It sees `model` and `protocol` only, runs with a user id of its own and no capability, and holds no
//! secret but its TLS key. What a browser sends and what the engine relays from containers is hostile:
//! askama escapes all of it, and no page has a script or style of its own.

mod app;
mod assets;
mod console;
mod engine;
mod error;
mod form;
mod format;
mod guard;
mod hosts;
mod live;
mod pages;
mod streams;
mod text;
pub mod tls;
mod visitor;

use std::{net::TcpListener, path::PathBuf};

use thiserror::Error;

/// What the web process is given at its start.
#[derive(Debug)]
pub struct Web {
    /// Where browsers come in; already bound.
    pub listener: TcpListener,
    /// Certificate chain and key, PEM.
    pub tls_pem: Vec<u8>,
    /// The node's name.
    pub node: String,
    /// Further names that lead here.
    pub hosts: Vec<String>,
    /// The engine's socket for the web.
    pub engine: PathBuf,
}

/// The web process cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Certificate or key.
    #[error("the certificate cannot be used")]
    Tls(#[from] tls::TlsError),
    /// The listener or its threads.
    #[error("cannot serve")]
    Io(#[from] std::io::Error),
}

/// Serves until the process ends.
///
/// # Errors
/// When the certificate is crooked or the listener fails.
pub fn serve(web: Web) -> Result<(), ServeError> {
    let tls = tls::server_config(&web.tls_pem)?;
    let hosts = hosts::Hosts::new(&web.node, &web.hosts);
    app::run(web.listener, tls, engine::EngineClient::new(web.engine), hosts)?;
    Ok(())
}
