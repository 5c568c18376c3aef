//! Why a call was refused or failed: kinds, not transports.

use model::TaskId;
use serde::{Deserialize, Serialize};

/// What kind of refusal it is; the web maps it to a status, the command line to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// Number, name or address is taken.
    AlreadyExists,
    /// A value is out of range or crooked; `field` says which.
    Invalid,
    /// The container's status does not allow it.
    WrongStatus,
    /// The form was filled in from an older version.
    Stale,
    /// Another task is at work on it; `task` says which.
    Busy,
    /// Not logged in, or the session has ended.
    Unauthenticated,
    /// Logged in, but without the right.
    Denied,
    /// Too many wrong passwords; `retry_after_s` says how long to wait.
    Throttled,
    /// The host lacks something, or the engine is shutting down.
    Unavailable,
    /// Something broke here; the log knows the reference.
    Internal,
}

/// A refusal or failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind.
    pub kind: ErrorKind,
    /// For the operator: what, why, what to do. Never a secret.
    pub message: String,
    /// The form field or option it belongs to.
    #[serde(default)]
    pub field: Option<String>,
    /// The task in the way.
    #[serde(default)]
    pub task: Option<TaskId>,
    /// Seconds to wait.
    #[serde(default)]
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// A refusal without field or task.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None, task: None, retry_after_s: None }
    }

    /// A value that does not do.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(ErrorKind::Invalid, message) }
    }
}
