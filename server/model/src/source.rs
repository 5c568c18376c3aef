//! Where templates are downloaded from, and what is offered there.

use std::str::FromStr;

use crate::{Bytes, Checksum, Refusal, TemplateName, text::text_type};

/// A source's name: a-z, 0-9 and dash, at most 32.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(String);

impl SourceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ok = (1..=32).contains(&s.len())
            && s.bytes().all(|b| plain(b) || b == b'-')
            && s.bytes().next().is_some_and(plain);
        if ok {
            Ok(Self(s.to_owned()))
        } else {
            Err(Refusal::NotASourceName { given: s.chars().take(80).collect() })
        }
    }
}

text_type!(SourceName);

/// What speaks at a source's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Our own signed index.
    Index,
    /// The image servers of LXC, Incus and LXD.
    Simplestreams,
    /// Proxmox VE's list of appliances.
    Aplinfo,
}

impl SourceKind {
    /// The word in configuration, JSON and message keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Simplestreams => "simplestreams",
            Self::Aplinfo => "aplinfo",
        }
    }
}

/// Why what a source says is believed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Trust {
    /// It is signed by this Ed25519 key: 32 bytes.
    Ed25519([u8; 32]),
    /// It is signed by the OpenPGP key with this fingerprint: 40 capital hex digits.
    Openpgp(String),
    /// It comes over TLS from the host in the address, and nobody can check more.
    Tls,
}

impl Trust {
    const ED25519: &str = "ed25519:";
    const OPENPGP: &str = "openpgp:";
}

impl TryFrom<String> for Trust {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        if s == "tls" {
            return Ok(Self::Tls);
        }
        let wrong = || {
            format!(
                "trust {s:?} is neither `tls` nor `ed25519:` with the 64 hex digits of a key nor `openpgp:` with the 40 of a fingerprint"
            )
        };
        let hex = |prefix: &str, length: usize| {
            let hex = s.strip_prefix(prefix)?;
            (hex.len() == length && hex.bytes().all(|b| b.is_ascii_hexdigit())).then_some(hex)
        };
        if let Some(fingerprint) = hex(Self::OPENPGP, 40) {
            return Ok(Self::Openpgp(fingerprint.to_ascii_uppercase()));
        }
        let hex = hex(Self::ED25519, 64).ok_or_else(wrong)?;
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self::Ed25519(key))
    }
}

impl From<Trust> for String {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Tls => "tls".to_owned(),
            Trust::Ed25519(key) => {
                let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
                format!("{}{hex}", Trust::ED25519)
            }
            Trust::Openpgp(fingerprint) => format!("{}{fingerprint}", Trust::OPENPGP),
        }
    }
}

/// A place to download templates from: `[[source]]` in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name on this node.
    pub name: SourceName,
    /// What speaks there.
    pub kind: SourceKind,
    /// Its address: a folder, with a slash at the end. For [`SourceKind::Aplinfo`] the list itself, of which
    /// `.gz` and `.asc` are fetched.
    pub url: String,
    /// Why it is believed.
    pub trust: Trust,
    /// Where the public key is for [`Trust::Openpgp`]: from anywhere, its fingerprint makes it the right one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Source {
    /// What is wrong with it.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if !is_web(&self.url) || self.url.ends_with('/') == (self.kind == SourceKind::Aplinfo) {
            let what = if self.kind == SourceKind::Aplinfo {
                "of a list, without .gz and without a slash at its end"
            } else {
                "with a slash at its end"
            };
            return Some(format!("url {:?} is no http or https address {what}", self.url));
        }
        match (&self.key, &self.trust) {
            (Some(key), Trust::Openpgp(_)) if is_web(key) => {}
            (_, Trust::Openpgp(_)) => {
                return Some("trust is openpgp: key must be the http or https address of the key".to_owned());
            }
            (Some(_), _) => return Some("key belongs to trust `openpgp:`".to_owned()),
            (None, _) => {}
        }
        match (self.kind, &self.trust) {
            (SourceKind::Index, Trust::Ed25519(_)) | (SourceKind::Aplinfo, Trust::Openpgp(_)) => None,
            (SourceKind::Index, _) => {
                Some("an index is signed: trust must be `ed25519:` with its key".to_owned())
            }
            (SourceKind::Aplinfo, _) => {
                Some("aplinfo is signed: trust must be `openpgp:` with the fingerprint of its key".to_owned())
            }
            (SourceKind::Simplestreams, Trust::Tls) => {
                let is_proved = self.url.starts_with("https://") || is_on_this_host(&self.url);
                (!is_proved).then(|| format!("trust is tls, and {} is not https", self.url))
            }
            (SourceKind::Simplestreams, _) => {
                Some("simplestreams are not signed: trust must be `tls`".to_owned())
            }
        }
    }

    /// The address below which relative ones are meant; ends with a slash.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.url.rfind('/').map_or("", |slash| &self.url[..=slash])
    }

    /// Those of a node that says nothing.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let source = |name: &str, kind, url: &str, trust, key: Option<&str>| {
            let key = key.map(str::to_owned);
            name.parse().ok().map(|name| Self { name, kind, url: url.to_owned(), trust, key })
        };
        let images = "https://images.linuxcontainers.org/";
        // Key and fingerprint as Proxmox VE ships them, in the repository of its pve-manager.
        let fingerprint = "694CFF26795A29BAE07B4EB585C25E95A16EB94D".to_owned();
        let key = "https://raw.githubusercontent.com/proxmox/pve-manager/14a22df35955d97dfc1af21e117dc894a29df0c9/aplinfo/release%40turnkeylinux.com.pubkey";
        let turnkey = "https://releases.turnkeylinux.org/pve/aplinfo.dat";
        [
            source("linuxcontainers", SourceKind::Simplestreams, images, Trust::Tls, None),
            source("turnkey", SourceKind::Aplinfo, turnkey, Trust::Openpgp(fingerprint), Some(key)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Whether it is an address that requests can be made of.
fn is_web(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://")) && url.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether the address names loopback by its number: nobody can listen on the way.
fn is_on_this_host(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    host.parse::<std::net::SocketAddr>().is_ok_and(|a| a.ip().is_loopback())
}

/// A template that a source offers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Offer {
    /// Its name.
    pub name: TemplateName,
    /// Version of the content.
    pub version: String,
    /// The name for people; empty: as `name`.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// Address of the archive.
    pub url: String,
    /// The archive's size, where the source tells it.
    pub size: Option<Bytes>,
    /// What the archive must be.
    pub checksum: Checksum,
    /// What comes with it in a file of its own: the metadata of LXC's image servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<OfferFile>,
}

/// A file that belongs to an offer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OfferFile {
    /// Its address.
    pub url: String,
    /// Its size.
    pub size: Bytes,
    /// What it must be.
    pub checksum: Checksum,
}

/// Our own index, `index.json`: what a folder of built archives holds. Believed only with its signature.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Format version, now 1.
    pub format: u32,
    /// Higher with every new one: an older one is not taken again.
    pub serial: u64,
    /// Unix seconds.
    pub generated: i64,
    /// Unix seconds; not believed any more afterwards.
    pub expires: i64,
    /// What is there.
    pub templates: Vec<IndexEntry>,
}

/// One archive in an index.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// The template's name.
    pub name: TemplateName,
    /// Version of the content.
    pub version: String,
    /// The name for people; empty: as `name`.
    #[serde(default)]
    pub title: String,
    /// One sentence.
    pub description: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// Unix seconds of the build.
    pub built: i64,
    /// The archive's name, beside the index.
    pub file: String,
    /// Its size.
    pub size: Bytes,
    /// Its SHA-256.
    pub sha256: crate::Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_tls_or_a_key() {
        let key = format!("ed25519:{}", "0a".repeat(32));
        assert_eq!(Trust::try_from(key.clone()).unwrap(), Trust::Ed25519([10; 32]));
        assert_eq!(String::from(Trust::Ed25519([10; 32])), key);
        let key = format!("openpgp:{}", "0a".repeat(20));
        assert_eq!(String::from(Trust::try_from(key).unwrap()), format!("openpgp:{}", "0A".repeat(20)));
        for bad in [
            "",
            "TLS",
            "ed25519:",
            "ed25519:0a",
            "openpgp:0a",
            &format!("openpgp:{}", "0g".repeat(20)),
            &format!("ed25519:{}", "é".repeat(32)),
            &format!("ed25519:{}", "+a".repeat(32)),
        ] {
            assert!(Trust::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_source_without_proof_is_refused() {
        let pgp = format!("openpgp:{}", "0A".repeat(20));
        let source = |kind, url: &str, trust: &str| Source {
            name: "a".parse().unwrap(),
            kind,
            url: url.into(),
            trust: Trust::try_from(trust.to_owned()).unwrap(),
            key: trust.starts_with("openpgp").then(|| "https://keys.example/k".to_owned()),
        };
        let key = format!("ed25519:{}", "0a".repeat(32));
        use SourceKind::{Aplinfo, Index, Simplestreams};
        assert_eq!(source(Index, "http://other.lan/t/", &key).fault(), None);
        assert_eq!(source(Simplestreams, "https://images.example/", "tls").fault(), None);
        let list = source(Aplinfo, "http://images.example/pve/aplinfo.dat", &pgp);
        assert_eq!((list.fault(), list.folder()), (None, "http://images.example/pve/"));
        for key in [None, Some("/etc/key".to_owned())] {
            assert!(Source { key, ..list.clone() }.fault().is_some());
        }
        assert!(Source { trust: Trust::Tls, ..list }.fault().is_some());
        for (kind, url, trust) in [
            (Index, "https://other.lan/t/", "tls"),
            (Index, "https://other.lan/t/", &pgp),
            (Simplestreams, "https://images.example/", key.as_str()),
            (Simplestreams, "https://images.example/", &pgp),
            (Simplestreams, "http://images.example/", "tls"),
            (Simplestreams, "http://127.evil.example/", "tls"),
            (Index, "https://other.lan/t", &key),
            (Index, "file:///srv/", &key),
            (Index, "https://a b/", &key),
            (Aplinfo, "https://a.example/aplinfo.dat", &key),
            (Aplinfo, "https://a.example/aplinfo.dat", "tls"),
            (Aplinfo, "https://a.example/pve/", &pgp),
        ] {
            assert!(source(kind, url, trust).fault().is_some(), "{url} {trust}");
        }
        assert!(Source::defaults().iter().all(|s| s.fault().is_none()) && Source::defaults().len() == 2);
    }
}
