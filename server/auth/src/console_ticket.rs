//! Console tickets: one-use values that let a WebSocket in, which cannot carry a form's token.
//!
//! What a ticket opens, for whom and until when is kept by whoever issued it, under its hash.

use std::fmt;

use zeroize::Zeroizing;

use crate::random::{self, RandomError};

/// `PVEVNC:HEX8::SECRET`, in the form of Proxmox's.
#[derive(Clone)]
pub struct ConsoleTicket(Zeroizing<String>);

impl ConsoleTicket {
    /// A new one.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn issue(now: i64) -> Result<Self, RandomError> {
        Ok(Self(Zeroizing::new(format!("PVEVNC:{}::{}", random::hex_time(now), *random::secret()?))))
    }

    /// The ticket itself; do not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Under what it is kept and looked up: so no search compares the secret itself.
    #[must_use]
    pub fn sha256(&self) -> String {
        Self::sha256_of(&self.0)
    }

    /// Under what a ticket that somebody shows would be kept.
    #[must_use]
    pub fn sha256_of(shown: &str) -> String {
        crate::sha256_hex(shown)
    }
}

impl fmt::Debug for ConsoleTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsoleTicket")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_differ_and_are_found_by_their_hash() {
        let (a, b) = (ConsoleTicket::issue(1).unwrap(), ConsoleTicket::issue(1).unwrap());
        assert_ne!(a.sha256(), b.sha256());
        assert_eq!(a.sha256(), ConsoleTicket::sha256_of(a.reveal()));
        assert!(a.reveal().starts_with("PVEVNC:00000001::"));
        assert_eq!(format!("{a:?}"), "ConsoleTicket");
    }
}
