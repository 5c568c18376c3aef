//! The audit log: every call that changes something or was refused, with who and from where.

use protocol::engine::{ApiError, ErrorKind, Request, calls::CallClass};
use store::AuditRow;

use crate::{Engine, access::Caller, clock};

/// A console is opened by a call that changes nothing, and still must be seen here.
fn is_reading(request: &Request) -> bool {
    match request {
        Request::OpenConsole(_) => false,
        Request::GetWelcome(_) => true,
        other => other.class() == CallClass::Read,
    }
}

/// Records a call. Reading that was allowed is not recorded.
pub(crate) fn record(engine: &Engine, caller: &Caller, request: &Request, result: Result<(), &ApiError>) {
    let result = match result {
        Ok(()) if is_reading(request) => return,
        Ok(()) => "ok",
        Err(error) => match error.kind {
            // An ended session is no deed; else every stranger could fill the log.
            ErrorKind::Unauthenticated if request.class() != CallClass::Open => return,
            // Nor may a stranger fill it by trying again and again: the tries that were looked at are in it.
            ErrorKind::Throttled => return,
            ErrorKind::WrongStatus if matches!(request, Request::CompleteSetup(_)) => return,
            ErrorKind::Denied | ErrorKind::Unauthenticated => "denied",
            _ if is_reading(request) => return,
            _ => "failed",
        },
    };
    let row = AuditRow {
        time: clock::now(),
        actor: caller.actor().map_or_else(|| "-".to_owned(), ToString::to_string),
        address: caller.address.map(|a| a.to_string()),
        action: request.name().to_owned(),
        object: crate::api::object_of(request),
        result: result.to_owned(),
    };
    if let Err(error) = engine.store().append_audit(&row) {
        tracing::error!(error = %crate::error::chain(&error), "the audit log could not be written");
    }
}
