//! The key that signs an index: Ed25519, as PKCS #8 in PEM, so that openssl(1) can make and read it too.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::source::Trust;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A signing key.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key, or makes one where there is none: 0600.
    ///
    /// # Errors
    /// When the file cannot be read, is no such key, or cannot be written.
    pub fn load_or_make(path: &Path) -> io::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(e) => Err(e),
        }
    }

    fn parse(pem: &str) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it is no Ed25519 private key in PEM");
        let (_, rest) = pem.split_once(BEGIN).ok_or_else(wrong)?;
        let (body, _) = rest.split_once(END).ok_or_else(wrong)?;
        let text: String = body.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(text).map_err(|_| wrong())?;
        Ed25519KeyPair::from_pkcs8(&der).map(Self).map_err(|_| wrong())
    }

    fn make(path: &Path) -> io::Result<Self> {
        let key = Ed25519KeyPair::generate().map_err(io::Error::other)?;
        let der = key.to_pkcs8v1().map_err(io::Error::other)?;
        let body = BASE64_STANDARD.encode(der.as_ref());
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(path)?;
        writeln!(file, "{BEGIN}\n{body}\n{END}")?;
        file.sync_all()?;
        Ok(Self(key))
    }

    /// What others configure to believe it.
    #[must_use]
    pub fn trust(&self) -> Trust {
        let mut key = [0; 32];
        let public = self.0.public_key().as_ref();
        key.iter_mut().zip(public).for_each(|(to, from)| *to = *from);
        Trust::Ed25519(key)
    }

    /// The signature: 64 bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).as_ref().to_vec()
    }
}

/// Whether a key has signed exactly these bytes.
#[must_use]
pub fn is_signed(bytes: &[u8], signature: &[u8], key: &[u8; 32]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(bytes, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, process::Command};

    #[test]
    fn a_key_is_made_once_and_signs_as_openssl_understands_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.key");
        let key = SigningKey::load_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::load_or_make(&path).unwrap().trust(), key.trust());
        let Trust::Ed25519(public) = key.trust() else { panic!("no key") };
        let signature = key.sign(b"abc");
        assert!(is_signed(b"abc", &signature, &public));
        assert!(!is_signed(b"abd", &signature, &public) && !is_signed(b"abc", &signature[1..], &public));
        assert!(!is_signed(b"abc", &signature, &[7; 32]));
        let (data, sig) = (dir.path().join("data"), dir.path().join("sig"));
        fs::write(&data, b"abc").unwrap();
        fs::write(&sig, &signature).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-rawin", "-inkey"]).arg(&path).arg("-in").arg(&data);
        assert!(openssl.arg("-sigfile").arg(&sig).output().unwrap().status.success());
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.key");
        for bad in ["", "x", &format!("{BEGIN}\nAAAA\n{END}\n"), BEGIN] {
            fs::write(&path, bad).unwrap();
            assert!(SigningKey::load_or_make(&path).is_err(), "{bad}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }
}
