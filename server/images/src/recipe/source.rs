//! What a recipe fetches from a vendor: `[[source]]`.
//!
//! ```toml
//! [[source]]
//! url = "https://vendor.example/app-1.2.tar.bz2"
//! sha512 = "..."                  # or sha256; or a signature, or both
//! signature = { url = "https://vendor.example/app-1.2.tar.bz2.asc", key = "https://vendor.example/key.asc", fingerprint = "..." }
//! unpack = "/usr/share/app"       # an archive; or file = "/usr/bin/app", a program
//! ```

use model::{Bytes, Checksum};
use serde::{Deserialize, Serialize};

use crate::fetch::route;

/// Largest file when a recipe does not say.
const MAX: Bytes = Bytes::mib(1024);
/// Largest that a recipe may say.
const MAX_MAX: Bytes = Bytes::mib(4096);

/// A file that a build fetches, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeSource {
    /// From where.
    pub url: String,
    /// More is never fetched.
    pub max: Bytes,
    /// What it must be. Without one, a signature says so.
    pub checksum: Option<Checksum>,
    /// Who must have signed it.
    pub signature: Option<SourceSignature>,
    /// Where it goes in the tree.
    pub place: Place,
}

/// Who must have signed a file: a detached OpenPGP signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSignature {
    /// The signature's URL.
    pub url: String,
    /// The key's URL. It may come from anywhere: the fingerprint says which it is.
    pub key: String,
    /// Fingerprint of the key, 40 hex digits.
    pub fingerprint: String,
}

/// Where a source goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// An archive becomes this folder, without so many of its own outer folders.
    Folder(String, usize),
    /// It becomes this file, which can be run.
    Program(String),
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    url: String,
    max: Option<String>,
    sha256: Option<String>,
    sha512: Option<String>,
    signature: Option<SourceSignature>,
    unpack: Option<String>,
    strip: Option<usize>,
    file: Option<String>,
}

impl Written {
    /// Checks the values; the error says which is wrong, and how.
    pub(super) fn check(self) -> Result<RecipeSource, String> {
        let url = |url: &str| route::parse(url).map(drop).map_err(|why| format!("{url:?}: {why}"));
        url(&self.url)?;
        let max = match &self.max {
            None => MAX,
            Some(text) => text.parse::<Bytes>().map_err(|e| format!("max: {e}"))?,
        };
        if max > MAX_MAX {
            return Err(format!("max: {max} is more than {MAX_MAX}"));
        }
        let checksum = match (&self.sha256, &self.sha512) {
            (None, None) => None,
            (Some(hex), None) | (None, Some(hex)) => {
                Some(hex.parse::<Checksum>().map_err(|e| e.to_string())?)
            }
            (Some(_), Some(_)) => return Err("sha256 or sha512: one is enough".into()),
        };
        let is_other = match &checksum {
            Some(Checksum::Sha256(_)) => self.sha512.is_some(),
            Some(Checksum::Sha512(_)) => self.sha256.is_some(),
            None => false,
        };
        if is_other {
            return Err("the checksum has the length of the other kind".into());
        }
        if let Some(signature) = &self.signature {
            url(&signature.url)?;
            url(&signature.key)?;
            let text = &signature.fingerprint;
            if text.len() != 40 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
                return Err(format!("fingerprint {text:?} is not 40 capital hex digits without blanks"));
            }
        }
        if checksum.is_none() && self.signature.is_none() {
            return Err(format!("{} has neither checksum nor signature: anybody could replace it", self.url));
        }
        let place = match (self.unpack, self.file) {
            (Some(folder), None) => Place::Folder(place(folder)?, self.strip.unwrap_or(0)),
            (None, Some(file)) if self.strip.is_none() => Place::Program(place(file)?),
            _ => return Err("needs unpack (with strip, if wanted) or file, not both".into()),
        };
        Ok(RecipeSource { url: self.url, max, checksum, signature: self.signature, place })
    }
}

/// It becomes part of a command; what is not plain is refused.
fn place(path: String) -> Result<String, String> {
    let is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.+".contains(&b));
    let is_below = path.starts_with('/') && path.len() > 1 && !path.ends_with('/');
    let is_clean = path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    if is_plain && is_below && is_clean && path.len() < 256 {
        Ok(path)
    } else {
        Err(format!("{path:?} is no plain absolute path such as /usr/share/app"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "url = \"https://vendor.example/a.tar.bz2\"\nunpack = \"/usr/share/app\"\nstrip = 1\nmax = \"300M\"\n";
    const SUM: &str = "sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";
    const SIGNED: &str = "[signature]\nurl = \"https://vendor.example/a.asc\"\nkey = \"https://vendor.example/k.asc\"\n\
        fingerprint = \"28806A878AE423A28372792ED75899B9A724937A\"\n";

    fn check(text: &str) -> Result<RecipeSource, String> {
        toml::from_str::<Written>(text).map_err(|e| e.to_string())?.check()
    }

    #[test]
    fn a_source_is_proved_by_checksum_or_signature() {
        let source = check(&format!("{GOOD}{SUM}")).unwrap();
        assert_eq!((source.max, source.place), (Bytes::mib(300), Place::Folder("/usr/share/app".into(), 1)));
        assert!(check(&format!("{GOOD}{SIGNED}")).unwrap().signature.is_some());
        assert!(check(GOOD).unwrap_err().contains("neither checksum nor signature"));
    }

    #[test]
    fn a_wrong_value_is_named() {
        let good = format!("{GOOD}{SUM}{SIGNED}");
        check(&good).unwrap();
        for (old, new, want) in [
            ("https://vendor.example/a.tar.bz2", "file:///etc/shadow", "only http"),
            ("https://vendor.example/k.asc", "x", "no URL"),
            ("ba7816", "xx7816", "no checksum"),
            ("sha256", "sha512", "length"),
            ("28806A878AE423A28372792ED75899B9A724937A", "A724937A", "fingerprint"),
            ("/usr/share/app", "/usr/../etc", "no plain absolute path"),
            ("/usr/share/app", "/usr/share/$(id)", "no plain absolute path"),
            ("/usr/share/app", "usr", "no plain absolute path"),
            ("\"300M\"", "\"9T\"", "more than"),
            ("unpack =", "file =", "unpack"),
            ("strip", "stripe", "stripe"),
        ] {
            let error = check(&good.replacen(old, new, 1)).unwrap_err();
            assert!(error.contains(want), "{new}: {error}");
        }
    }
}
