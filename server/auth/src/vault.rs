//! Secrets that must be shown again: sealed with a key that lies beside the database, not in it.
//!
//! XChaCha20-Poly1305 with a random nonce; what a secret belongs to is sealed with it, so that one cannot be
//! put in another's place.

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// Seals and opens secrets.
pub struct Vault(XChaCha20Poly1305);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

/// A secret cannot be sealed or opened.
#[derive(Debug, Error)]
pub enum VaultError {
    /// No nonce could be had.
    #[error(transparent)]
    Random(#[from] random::RandomError),
    /// It was sealed with another key, for something else, or was changed.
    #[error("the stored secret cannot be opened: the key file beside the database is another one")]
    Sealed,
}

impl Vault {
    /// With this key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals a secret for `owner`.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<String, VaultError> {
        let nonce = random::bytes::<NONCE_BYTES>()?;
        let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Sealed)?;
        Ok(BASE64_STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn open(&self, owner: &str, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
        let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| VaultError::Sealed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Sealed)?;
        let payload = Payload { msg: sealed, aad: owner.as_bytes() };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| VaultError::Sealed)?;
        String::from_utf8(plain).map(Zeroizing::new).map_err(|_| VaultError::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_owner_open_a_secret() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal("100/admin_password", "correct horse").unwrap();
        assert_eq!(vault.open("100/admin_password", &sealed).unwrap().as_str(), "correct horse");
        assert_ne!(sealed, vault.seal("100/admin_password", "correct horse").unwrap());
        assert!(vault.open("101/admin_password", &sealed).is_err());
        assert!(Vault::new(&[8; 32]).open("100/admin_password", &sealed).is_err());
        let changed = sealed.replacen(sealed.chars().next_back().unwrap(), "A", 1);
        for bad in ["", "AAAA", "no base64!", &changed[1..]] {
            assert!(vault.open("100/admin_password", bad).is_err(), "{bad}");
        }
    }
}
