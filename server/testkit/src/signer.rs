//! Somebody with an OpenPGP key, by the real gpg(1).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A key pair in a folder of its own.
#[derive(Debug)]
pub struct Signer {
    home: PathBuf,
    fingerprint: String,
}

impl Signer {
    /// Makes a key pair; the folder must not be there yet.
    #[must_use]
    pub fn new(home: PathBuf) -> Self {
        fs::create_dir(&home).unwrap();
        let who = "Vendor <vendor@example.org>";
        gpg(&home, &["--passphrase", "", "--quick-gen-key", who, "ed25519", "sign"]);
        let list = String::from_utf8(gpg(&home, &["--with-colons", "--list-keys"])).unwrap();
        let line = list.lines().find(|l| l.starts_with("fpr:")).unwrap();
        Self { fingerprint: line.split(':').nth(9).unwrap().to_owned(), home }
    }

    /// Forty capital hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The public key, armoured.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        gpg(&self.home, &["--armor", "--export"])
    }

    /// A detached signature, armoured.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let data = self.home.join("data");
        fs::write(&data, bytes).unwrap();
        gpg(&self.home, &["--armor", "--detach-sign", "--output", "-", data.to_str().unwrap()])
    }
}

impl Drop for Signer {
    /// gpg starts an agent for each folder.
    fn drop(&mut self) {
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "gpg-agent"]).status();
    }
}

fn gpg(home: &Path, words: &[&str]) -> Vec<u8> {
    let mut command = Command::new("gpg");
    let output =
        command.arg("--homedir").arg(home).args(["--batch", "--quiet", "--yes"]).args(words).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
