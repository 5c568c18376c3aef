//! Certificate and key: self-signed until the operator brings their own.
//!
//! The key is made and read by root at the start and reaches the web process as an open file only.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::Digest;
use thiserror::Error;

/// Certificate and key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file.
    #[error("cannot use {0}")]
    File(PathBuf, #[source] io::Error),
    /// Its content.
    #[error("no certificate and key in PEM form: check tls_cert and tls_key")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// They do not go together.
    #[error("certificate and key do not go together: check tls_cert and tls_key")]
    Mismatch(#[source] rustls::Error),
    /// Making a certificate.
    #[error("cannot make a self-signed certificate")]
    Make(#[source] rcgen::Error),
}

/// Certificate chain and key, PEM, one after the other: those of the configuration, else the
/// self-signed ones in `folder`, made there for `names` when there are none.
///
/// # Errors
/// When files cannot be read, made, or hold something else.
pub fn load_or_make(
    configured: Option<&(PathBuf, PathBuf)>,
    folder: &Path,
    names: &[String],
) -> Result<Vec<u8>, TlsError> {
    let own = (folder.join("cert.pem"), folder.join("key.pem"));
    if configured.is_none() && !(own.0.exists() && own.1.exists()) {
        make(folder, &own, names)?;
    }
    let (cert, key) = configured.unwrap_or(&own);
    let read = |path: &Path| fs::read(path).map_err(|e| TlsError::File(path.to_owned(), e));
    let mut pem = read(cert)?;
    pem.push(b'\n');
    pem.extend(read(key)?);
    server_config(&pem)?;
    Ok(pem)
}

fn make(folder: &Path, files: &(PathBuf, PathBuf), names: &[String]) -> Result<(), TlsError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            return Err(TlsError::File(folder.to_owned(), e));
        }
        _ => {}
    }
    // The key first: a certificate without its key is made anew at the next start.
    for (path, text) in [(&files.1, made.signing_key.serialize_pem()), (&files.0, made.cert.pem())] {
        write_private(path, &text).map_err(|e| TlsError::File(path.clone(), e))?;
    }
    Ok(())
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}

/// SHA-256 of the first certificate as browsers show it: hex pairs with colons.
///
/// # Errors
/// When there is none.
pub fn fingerprint(pem: &[u8]) -> Result<String, TlsError> {
    let certificate = CertificateDer::from_pem_slice(pem).map_err(TlsError::Pem)?;
    let pairs: Vec<String> = sha2::Sha256::digest(&certificate).iter().map(|b| format!("{b:02X}")).collect();
    Ok(pairs.join(":"))
}

/// The names a self-signed certificate is made for.
#[must_use]
pub fn self_signed_names(node: &str, addresses: &[IpAddr]) -> Vec<String> {
    let mut names = vec![node.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(addresses.iter().map(ToString::to_string));
    names.sort();
    names.dedup();
    names
}

/// What the listener needs.
pub(crate) fn server_config(pem: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(TlsError::Pem)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(TlsError::Pem)?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Mismatch)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Mismatch)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_kept_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("tls");
        let names = self_signed_names("box", &["192.0.2.7".parse().unwrap()]);
        let first = load_or_make(None, &folder, &names).unwrap();
        assert_eq!(load_or_make(None, &folder, &names).unwrap(), first);
        assert_eq!(fingerprint(&first).unwrap().len(), 95);
        for name in ["key.pem", "cert.pem"] {
            assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn crooked_files_and_foreign_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|n| dir.path().join(n));
        let names = self_signed_names("box", &[]);
        load_or_make(None, &one, &names).unwrap();
        load_or_make(None, &two, &names).unwrap();
        let mixed = (one.join("cert.pem"), two.join("key.pem"));
        assert!(matches!(load_or_make(Some(&mixed), &one, &names), Err(TlsError::Mismatch(_))));
        let no_key = (one.join("cert.pem"), one.join("cert.pem"));
        assert!(matches!(load_or_make(Some(&no_key), &one, &names), Err(TlsError::Pem(_))));
        let absent = (one.join("nothing"), one.join("key.pem"));
        assert!(matches!(load_or_make(Some(&absent), &one, &names), Err(TlsError::File(..))));
    }
}
