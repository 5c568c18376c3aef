//! What a file must be: its SHA-256 or SHA-512, as the source that promises it gives it.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::Digest;

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Checksum {
    /// SHA-256.
    Sha256(Digest),
    /// SHA-512 as 128 lower-case hex digits.
    Sha512(String),
}

/// The text is no checksum.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no checksum: expected the 64 hex digits of SHA-256 or the 128 of SHA-512")]
pub struct ParseChecksumError(String);

impl FromStr for Checksum {
    type Err = ParseChecksumError;
    /// Told by their lengths; capitals are taken too.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let text = s.trim().to_ascii_lowercase();
        let is_sha512 = text.len() == 128 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_sha512 {
            return Ok(Self::Sha512(text));
        }
        text.parse().map(Self::Sha256).map_err(|_| ParseChecksumError(s.chars().take(150).collect()))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256 {digest}"),
            Self::Sha512(hex) => write!(f, "sha512 {hex}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_told_by_its_length() {
        assert!(matches!("AB".repeat(32).parse(), Ok(Checksum::Sha256(_))));
        assert!(matches!("ab".repeat(64).parse(), Ok(Checksum::Sha512(_))));
        for bad in ["", "abc", &"g".repeat(64), &"0".repeat(127), &"é".repeat(32)] {
            assert!(bad.parse::<Checksum>().is_err(), "{bad}");
        }
    }
}
