//! The engine's sockets: calls, replies, events.
//!
//! `run_dir/engine.sock` takes host root only, who is `root@pam` there. `run_dir/web.sock` takes the
//! web process only, and each call on it carries a session token (or is a login or the setup).
//! A connection carries one call at a time; after [`calls::Subscribe`] it carries events only.

pub mod calls;
pub mod client;
pub mod error;
pub mod events;
pub mod view;

pub use calls::{Call, Request};
pub use error::{ApiError, ErrorKind};

use serde::{Deserialize, Serialize};

/// Version of this protocol.
pub const VERSION: u32 = 1;

/// A call on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// [`VERSION`] of the caller.
    pub version: u32,
    /// Session token; only the web process sends one.
    #[serde(default)]
    pub session: Option<Secret>,
    /// Anti-forgery token from the form or header; every changing call of the web process needs it.
    #[serde(default)]
    pub csrf: Option<Secret>,
    /// The browser's address, for the audit log and throttling.
    #[serde(default)]
    pub address: Option<std::net::IpAddr>,
    /// The call.
    pub request: Request,
}

/// An answer on the wire: the reply of the call as JSON, or why not.
pub type Answer = Result<serde_json::Value, ApiError>;

/// A text that must not appear in logs or errors.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; do not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
