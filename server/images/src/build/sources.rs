//! What a recipe fetches from vendors, fetched and proved before a build begins.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use model::{Bytes, template::SourceRecord};

use super::{BuildError, Event};
use crate::{
    fetch::{FetchOrder, Fetched, Progress},
    import::ImageStore,
    recipe::RecipeSource,
    report::SourcePlan,
    signature::SignaturePlan,
};

/// Largest signature and key.
const PROOF_MAX: Bytes = Bytes::mib(1);

/// How sources are fetched.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    pub(super) store: &'a ImageStore,
    /// The build's folder.
    pub(super) folder: &'a Path,
    /// Beginnings of URLs, and what to put in their place.
    pub(super) mirrors: &'a [(String, String)],
    /// What an earlier build of the same recipe fetched.
    pub(super) known: &'a [SourceRecord],
    pub(super) is_cancelled: &'a AtomicBool,
}

impl Errand<'_> {
    /// Fetches all, each in a folder of its own, and says what they are.
    pub(super) fn run(
        &self,
        sources: &[RecipeSource],
        tell: &mut dyn FnMut(Event),
    ) -> Result<(Vec<SourcePlan>, Vec<SourceRecord>), BuildError> {
        let (mut plans, mut records) = (Vec::new(), Vec::new());
        if !sources.is_empty() {
            tell(Event::Step("sources".into()));
        }
        for (number, source) in sources.iter().enumerate() {
            let name = format!("source-{number}");
            records.push(self.fetch_one(source, &name, tell)?);
            plans.push(SourcePlan { data: format!("{name}/data"), place: source.place.clone() });
        }
        Ok((plans, records))
    }

    fn fetch_one(
        &self,
        source: &RecipeSource,
        name: &str,
        tell: &mut dyn FnMut(Event),
    ) -> Result<SourceRecord, BuildError> {
        let url = mirrored(self.mirrors, &source.url);
        tell(Event::Line(format!("fetches {url}")));
        let order = FetchOrder {
            url: &url,
            origin: &url,
            max: source.max,
            size: None,
            any_certificate: false,
            checksum: source.checksum.as_ref(),
        };
        let fetched = self.fetch(&order, name, &mut |progress| {
            let percent =
                progress.all.and_then(|all| (progress.done.0 * 100).checked_div(all.0)).unwrap_or(0);
            tell(Event::Percent(u8::try_from(percent.min(100)).unwrap_or(100)));
        })?;
        let signed_by = self.prove(source, name, tell)?;
        let record = SourceRecord { url: source.url.clone(), sha256: fetched.sha256, signed_by };
        if let Some(before) = self.known.iter().find(|k| k.url == record.url && k.sha256 != record.sha256) {
            return Err(BuildError::Changed {
                url: record.url,
                before: before.sha256.clone(),
                now: record.sha256,
            });
        }
        tell(Event::Line(format!("{}, sha256 {}", fetched.size, record.sha256)));
        Ok(record)
    }

    /// Verifies the signature, if the recipe asks for one; gives the key's fingerprint.
    fn prove(
        &self,
        source: &RecipeSource,
        name: &str,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Option<String>, BuildError> {
        let Some(signature) = &source.signature else { return Ok(None) };
        let mut fetch = |what: &str, url: &str| -> Result<String, BuildError> {
            let url = mirrored(self.mirrors, url);
            tell(Event::Line(format!("fetches {url}")));
            let order = FetchOrder {
                url: &url,
                origin: &url,
                max: PROOF_MAX,
                size: None,
                any_certificate: false,
                checksum: None,
            };
            let folder = format!("{name}-{what}");
            self.fetch(&order, &folder, &mut |_| {})?;
            Ok(format!("{folder}/data"))
        };
        let plan = SignaturePlan {
            data: format!("{name}/data"),
            signature: fetch("signature", &signature.url)?,
            key: fetch("key", &signature.key)?,
            fingerprint: signature.fingerprint.clone(),
        };
        let verified = self.store.verify_signature(self.folder, &plan, self.is_cancelled);
        verified.map_err(|why| BuildError::Unproved { url: source.url.clone(), why })?;
        tell(Event::Line(format!("signed by {}", signature.fingerprint)));
        Ok(Some(signature.fingerprint.clone()))
    }

    fn fetch(
        &self,
        order: &FetchOrder<'_>,
        folder: &str,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, BuildError> {
        let folder: PathBuf = self.folder.join(folder);
        fs::create_dir(&folder).map_err(|e| BuildError::Io(folder.clone(), e))?;
        Ok(self.store.fetch(order, &folder, self.is_cancelled, tell)?)
    }
}

/// The URL at the mirror that is configured for it: the longest beginning counts.
fn mirrored(mirrors: &[(String, String)], url: &str) -> String {
    let fitting =
        mirrors.iter().filter_map(|(from, to)| Some((from.len(), to, url.strip_prefix(from.as_str())?)));
    let best = fitting.max_by_key(|(length, ..)| *length);
    best.map_or_else(|| url.to_owned(), |(_, to, rest)| format!("{to}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_says_which_mirror() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let mirrors = [
            pair("https://vendor.example/", "http://mirror.lan/vendor/"),
            pair("https://vendor.example/big/", "http://other.lan/"),
        ];
        for (url, want) in [
            ("https://vendor.example/a/b.tar", "http://mirror.lan/vendor/a/b.tar"),
            ("https://vendor.example/big/b.tar", "http://other.lan/b.tar"),
            ("https://elsewhere.example/b.tar", "https://elsewhere.example/b.tar"),
        ] {
            assert_eq!(mirrored(&mirrors, url), want);
        }
    }
}
