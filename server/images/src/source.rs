//! What sources offer: our own signed index, and other people's lists, as [`Offer`]s.
//!
//! Bytes in, offers out: fetching is the engine's, and nothing here touches a network.

pub mod index;
pub mod key;
pub mod simplestreams;

use thiserror::Error;

/// A source's list is not usable.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Not signed by the key in the configuration.
    #[error(
        "it is not signed by the key that is configured: it was changed on the way, or the key is another"
    )]
    Signature,
    /// Not what it should be.
    #[error("its list is damaged or of a format that this version does not know: {0}")]
    Format(String),
    /// An older one than was seen before.
    #[error("its list has serial {given}, and {seen} was seen before: somebody shows an old one")]
    RolledBack {
        /// Of the list.
        given: u64,
        /// The highest so far.
        seen: u64,
    },
    /// Its time is over.
    #[error("its list has expired: its owner has to make a new one (`kiste template index`)")]
    Expired,
    /// Made in the future.
    #[error("its list is dated in the future: look at the clocks of both machines")]
    Early,
}
