//! What sources offer: our own signed index, and other people's lists, as [`Offer`]s.
//!
//! Bytes in, offers out: fetching is the engine's, and nothing here touches a network.

pub mod aplinfo;
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

/// A version that can stand in a name.
fn is_plain(version: &str) -> bool {
    (1..=64).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+~".contains(&b))
        && !version.contains("..")
}

/// A path below the source's address, and nowhere else.
fn is_relative(path: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+~%".contains(&b))
    };
    // A colon in the first part would make it the scheme of another address.
    let is_below = path.split('/').next().is_some_and(|first| !first.contains(':'));
    path.len() < 1024 && is_below && path.split('/').all(is_plain)
}
