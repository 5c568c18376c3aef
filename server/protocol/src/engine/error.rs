//! Why a call was refused or failed: kinds, not transports.

use model::{Refusal, TaskId};
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
    /// For the operator: what, why, what to do. In English, never a secret.
    pub message: String,
    /// The reason that `message` tells, for pages in other languages; none where the text came from below.
    #[serde(default)]
    pub refusal: Option<Box<Refusal>>,
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
    /// A failure whose text has no reason of its own.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), refusal: None, field: None, task: None, retry_after_s: None }
    }

    /// A value that does not do.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(ErrorKind::Invalid, message) }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self {
            message: refusal.to_string(),
            field: refusal.field().map(str::to_owned),
            retry_after_s: match refusal {
                Refusal::TooManyTries { seconds } => Some(seconds),
                _ => None,
            },
            kind: kind(&refusal),
            task: None,
            refusal: Some(Box::new(refusal)),
        }
    }
}

/// The kind of each reason, without a wildcard: a new one must be sorted in.
fn kind(refusal: &Refusal) -> ErrorKind {
    use Refusal as R;
    match refusal {
        R::NotAVmid { .. }
        | R::NameLength { .. }
        | R::NotALabel { .. }
        | R::AllDigits { .. }
        | R::ReservedName { .. }
        | R::NotASize { .. }
        | R::NotAWholeNumber { .. }
        | R::NotACpuLimit { .. }
        | R::NotAMac { .. }
        | R::NotAForward { .. }
        | R::NotASourceName { .. }
        | R::NotAnAddress { .. }
        | R::NotAChecksum { .. }
        | R::OfferedTwice { .. }
        | R::TooManyForwards { .. }
        | R::NotALinkName { .. }
        | R::NotANet0 { .. }
        | R::Net0KeyUnknown { .. }
        | R::Net0KeyLater { .. }
        | R::NotALanAddress { .. }
        | R::NotAGateway { .. }
        | R::GatewayWithDhcp
        | R::NotANameServer { .. }
        | R::TooManyNameServers { .. }
        | R::BridgeMissing
        | R::NoBridge { .. }
        | R::NotABridge { .. }
        | R::OwnBridge { .. }
        | R::OthersBridge { .. }
        | R::ForwardsInLan
        | R::LanNeeded { .. }
        | R::NotATemplateName { .. }
        | R::NotATaskId { .. }
        | R::NotAUser { .. }
        | R::NotAnSshKey { .. }
        | R::NotAPreference { .. }
        | R::NoParameter { .. }
        | R::ParameterMissing { .. }
        | R::ParameterLength { .. }
        | R::ParameterControlCharacter { .. }
        | R::ParameterValue { .. }
        | R::MemoryTooSmall { .. }
        | R::MemoryAboveHost { .. }
        | R::SwapOutOfRange { .. }
        | R::CoresOutOfRange { .. }
        | R::CpuLimitOutOfRange { .. }
        | R::CpuUnitsOutOfRange { .. }
        | R::PidsOutOfRange { .. }
        | R::LimitsRefused { .. }
        | R::PasswordTooShort { .. }
        | R::PasswordTooLong { .. }
        | R::PasswordControlCharacter
        | R::WrongSetupCode
        | R::NoArchive
        | R::UploadCutOff
        | R::ForeignForm
        | R::ArchiveTooLarge { .. }
        | R::ArchiveNotStored { .. } => ErrorKind::Invalid,
        R::WrongPassword | R::SessionEnded => ErrorKind::Unauthenticated,
        R::TooManyTries { .. } => ErrorKind::Throttled,
        R::ForgedForm | R::TicketUsedUp | R::Denied { .. } | R::LocalOnly => ErrorKind::Denied,
        R::NoContainer { .. }
        | R::NoTemplate { .. }
        | R::TemplateGone { .. }
        | R::NoTask { .. }
        | R::NoSource { .. }
        | R::NoOffer { .. }
        | R::NoPassword { .. } => ErrorKind::NotFound,
        R::Taken { .. } | R::PortInUse { .. } => ErrorKind::AlreadyExists,
        R::Stale => ErrorKind::Stale,
        R::SetupIsOver
        | R::WrongStatus { .. }
        | R::TaskEnded
        | R::NothingToRetry { .. }
        | R::RetryFailed { .. } => ErrorKind::WrongStatus,
        R::Busy { .. } => ErrorKind::Busy,
        R::NoneFree { .. } | R::NoIdBlockFree { .. } | R::NoAnswer | R::Ending => ErrorKind::Unavailable,
        R::Internal { .. } => ErrorKind::Internal,
    }
}
