//! From what failed below to what a caller is told: kinds with a text for the operator.
//!
//! The only place where errors of lower floors become [`ApiError`]. What the operator cannot act on
//! goes to the log under a reference number, once, with its whole chain.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use model::Refusal;
pub(crate) use model::error_chain as chain;
use protocol::engine::{ApiError, ErrorKind};

static REFERENCES: AtomicU32 = AtomicU32::new(1);

/// Something broke that the caller cannot mend: logged whole, told as a reference.
pub(crate) fn internal(error: &dyn Error) -> ApiError {
    let reference = REFERENCES.fetch_add(1, Ordering::Relaxed);
    tracing::error!(reference, error = %chain(error), "a call failed inside");
    Refusal::Internal { reference }.into()
}

/// A failure whose text the operator can act on.
pub(crate) fn unavailable(error: &dyn Error) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, chain(error))
}
