//! A SHA-256 digest as the name of content.

use std::str::FromStr;

use thiserror::Error;

use crate::text::text_type;

/// SHA-256 of some bytes: 64 lower-case hex digits, without prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

/// The text is no SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no SHA-256 digest: expected 64 hex digits")]
pub struct ParseDigestError(String);

impl Digest {
    /// From the 32 bytes of the hash.
    #[must_use]
    pub fn from_bytes(hash: &[u8; 32]) -> Self {
        use std::fmt::Write;
        let mut text = String::with_capacity(64);
        for byte in hash {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The 64 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;
    /// Accepts an optional `sha256:` in front.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let hex = s.strip_prefix("sha256:").unwrap_or(s);
        let ok = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if ok { Ok(Self(hex.to_owned())) } else { Err(ParseDigestError(s.to_owned())) }
    }
}

text_type!(Digest);
