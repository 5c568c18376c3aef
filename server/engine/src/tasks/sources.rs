//! Asking sources what they offer, and downloading templates from them.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use images::{
    ARCHITECTURE, WorkerError,
    fetch::{FetchOrder, Fetched, Progress},
    signature::SignaturePlan,
    source::{SourceError, aplinfo, index, simplestreams},
};
use model::{
    Bytes, Checksum, Digest, TaskId, TemplateName,
    access::UserId,
    file_template::FileTemplate,
    source::{Offer, OfferFile, Source, SourceKind, SourceName, Trust},
    task::TaskKind,
    template::TemplateOrigin,
};
use protocol::engine::ApiError;
use store::SourceRow;

use super::{
    Failure, Handle, prepare,
    templates::{self, About},
};
use crate::{Engine, clock, error::chain};

/// Largest list of a source.
const LIST_MAX: Bytes = Bytes::mib(64);
/// Largest archive of which nobody has promised a size.
const ARCHIVE_MAX: Bytes = Bytes::mib(8 << 10);
/// Largest metadata of an image.
const METADATA_MAX: Bytes = Bytes::mib(16);
/// Parts of downloads that nobody went on with are kept so long, seconds.
const PART_AGE_MAX: u64 = 7 * 86_400;

/// Begins asking sources what they offer.
pub(crate) fn refresh(engine: &Arc<Engine>, sources: Vec<Source>, user: &UserId) -> Result<TaskId, ApiError> {
    let title = sources.iter().map(|s| s.name.to_string()).collect::<Vec<_>>().join(", ");
    prepare(engine, TaskKind::SourceRefresh, "sources", &title, user)?.run(move |engine, handle| {
        handle.step("refresh");
        let mut failures = Vec::new();
        for source in &sources {
            super::check_cancelled(handle)?;
            handle.log(&format!("asks {} at {}", source.name, source.url));
            let mut row = engine.store().find_source(source).map_err(|e| chain(&e))?;
            match ask(engine, handle, source, row.serial) {
                Ok((serial, offers)) => {
                    handle.log(&format!("{} offers {} templates", source.name, offers.len()));
                    row = SourceRow { serial, refreshed: Some(clock::now()), error: None, offers };
                }
                // What it offered before is still there, and checked when it is downloaded.
                Err(failure) => {
                    handle.log(&format!("{}: {failure}", source.name));
                    failures.push(format!("{}: {failure}", source.name));
                    row.error = Some(failure);
                }
            }
            engine.store().put_source(source, &row).map_err(|e| chain(&e))?;
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
    })
}

/// How often sources are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// A source that was asked once is asked again after so long.
const ASK_AFTER: Duration = Duration::from_secs(86_400);

/// Asks sources again day by day, so that pages say what is new. One that nobody ever asked stays alone.
pub(crate) fn refresh_forever(engine: &Arc<Engine>) {
    let mut tried: BTreeMap<SourceName, Instant> = BTreeMap::new();
    loop {
        let due = engine.config.sources.iter().filter(|source| {
            let refreshed = engine.store().find_source(source).ok().and_then(|row| row.refreshed);
            is_due(clock::now(), refreshed, tried.get(&source.name).map(Instant::elapsed))
        });
        let due: Vec<Source> = due.cloned().collect();
        // When somebody asks them at this very moment, the next look tries again.
        if !due.is_empty() && refresh(engine, due.clone(), &UserId::root()).is_ok() {
            tried.extend(due.into_iter().map(|source| (source.name, Instant::now())));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether a source is asked again; `tried`: how long ago this engine did so.
fn is_due(now: i64, refreshed: Option<i64>, tried: Option<Duration>) -> bool {
    let is_old = refreshed.is_some_and(|at| now.saturating_sub(at) >= ASK_AFTER.as_secs().cast_signed());
    is_old && tried.is_none_or(|ago| ago >= ASK_AFTER)
}

/// What a source offers now, and the serial of its index.
fn ask(engine: &Engine, handle: &Handle, source: &Source, seen: u64) -> Result<(u64, Vec<Offer>), Failure> {
    match (source.kind, &source.trust) {
        (SourceKind::Index, Trust::Ed25519(key)) => {
            let [signature, json] = [index::SIGNATURE, index::FILE].map(|f| format!("{}{f}", source.url));
            let index = twice(|| {
                let signature = fetch_list(engine, handle, source, &signature)?;
                let json = fetch_list(engine, handle, source, &json)?;
                Ok(index::read(&json, &signature, key, seen, clock::now()))
            })?;
            Ok((index.serial, index::offers(index, source, ARCHITECTURE)))
        }
        (SourceKind::Aplinfo, Trust::Openpgp(fingerprint)) => {
            let key = fetch_list(engine, handle, source, source.key.as_deref().unwrap_or_default())?;
            let [signature, list] =
                [aplinfo::SIGNATURE, aplinfo::COMPRESSED].map(|f| format!("{}{f}", source.url));
            let list = twice(|| {
                let signature = fetch_list(engine, handle, source, &signature)?;
                let list = aplinfo::decompressed(fetch_list(engine, handle, source, &list)?, LIST_MAX);
                let list = list.map_err(|e| e.to_string())?;
                let proved = verify(engine, handle, source, fingerprint, [&list, &signature, &key])?;
                Ok(proved.map(|()| list))
            })?;
            Ok((0, aplinfo::offers(&list, source, ARCHITECTURE).map_err(|e| e.to_string())?))
        }
        (SourceKind::Simplestreams, _) => {
            let json = fetch_list(engine, handle, source, &format!("{}{}", source.url, simplestreams::FILE))?;
            Ok((0, simplestreams::offers(&json, source, ARCHITECTURE).map_err(|e| e.to_string())?))
        }
        // The configuration lets none of them through.
        (SourceKind::Index | SourceKind::Aplinfo, _) => Err(SourceError::Signature.to_string()),
    }
}

/// A list and its signature are two files: between them a new list may have come, and then both are fetched again.
fn twice<T>(mut read: impl FnMut() -> Result<Result<T, SourceError>, Failure>) -> Result<T, Failure> {
    let done = match read()? {
        Err(SourceError::Signature) => read()?,
        other => other,
    };
    done.map_err(|e| e.to_string())
}

/// Whether an OpenPGP key with this fingerprint has signed a list; `files`: list, signature, key.
fn verify(
    engine: &Engine,
    handle: &Handle,
    source: &Source,
    fingerprint: &str,
    files: [&[u8]; 3],
) -> Result<Result<(), SourceError>, Failure> {
    let place = Download::begin(engine, &format!("proof-{}", source.name))?;
    let names = ["list", "signature", "key"].map(str::to_owned);
    for (name, bytes) in names.iter().zip(files) {
        let path = place.folder.join(name);
        fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    let [data, signature, key] = names;
    let plan = SignaturePlan { data, signature, key, fingerprint: fingerprint.to_owned() };
    match engine.images.verify_signature(&place.folder, &plan, &handle.is_cancelled) {
        Ok(()) => Ok(Ok(())),
        Err(WorkerError::Failed(why)) => {
            handle.log(&why);
            Ok(Err(SourceError::Signature))
        }
        Err(error) => Err(chain(&error)),
    }
}

fn fetch_list(engine: &Engine, handle: &Handle, source: &Source, url: &str) -> Result<Vec<u8>, Failure> {
    let order = FetchOrder {
        url,
        // A key may lie elsewhere; both addresses are the administrator's.
        origin: url,
        max: LIST_MAX,
        size: None,
        // Nodes have certificates of their own making; the index has its signature.
        any_certificate: source.kind == SourceKind::Index,
        checksum: None,
    };
    let mut download = Download::begin(engine, &format!("list-{}", source.name))?;
    let mut fetched = download.fetch(engine, handle, &order)?;
    let mut bytes = Vec::new();
    fetched.file.read_to_end(&mut bytes).map_err(|e| format!("cannot read what came: {e}"))?;
    Ok(bytes)
}

/// What to download.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// From where.
    pub(crate) url: String,
    /// What an administrator has configured or typed: its host may have any address.
    pub(crate) origin: String,
    /// Whether the server need not show a certificate that this host believes.
    pub(crate) any_certificate: bool,
    /// Bytes, if somebody promised them.
    pub(crate) size: Option<Bytes>,
    /// What it must be.
    pub(crate) checksum: Checksum,
    /// The template's name; `None`: the one it brings.
    pub(crate) name: Option<TemplateName>,
    /// What belongs to it in a file of its own.
    pub(crate) metadata: Option<OfferFile>,
    /// What it is, for an archive that brings no manifest.
    pub(crate) about: About,
}

/// Begins a download; the archive is installed once it is proved.
pub(crate) fn download(engine: &Arc<Engine>, wanted: Wanted, user: &UserId) -> Result<TaskId, ApiError> {
    let title = wanted.name.as_ref().map_or(wanted.url.as_str(), TemplateName::as_str).to_owned();
    let key = key_of(&wanted.checksum);
    // Two downloads of the same file would write the same part; others may go on side by side.
    let object = format!("download-{}", &key[..12]);
    let prepared = prepare(engine, TaskKind::TemplateDownload, &object, &title, user)?;
    let unique = format!("download-{}", prepared.id().parts().map_or(0, |p| p.number));
    prepared.run(move |engine, handle| {
        handle.step("fetch");
        let mut about = wanted.about.clone();
        if let Some(metadata) = &wanted.metadata {
            about.files = fetch_metadata(engine, handle, &wanted, metadata)?;
        }
        handle.log(&format!("fetches {}", wanted.url));
        let order = FetchOrder {
            url: &wanted.url,
            origin: &wanted.origin,
            max: ARCHIVE_MAX,
            size: wanted.size,
            // Whoever is at the other end, the checksum is of what was promised.
            any_certificate: wanted.any_certificate,
            checksum: Some(&wanted.checksum),
        };
        let mut download = Download::begin(engine, &key)?;
        let fetched = download.fetch(engine, handle, &order)?;
        handle.log(&format!("{} came, {} is right", fetched.size, wanted.checksum));
        let archive = templates::Archive {
            file: fetched.file,
            unique: &unique,
            name: wanted.name.clone(),
            about,
            origin: TemplateOrigin::Downloaded,
        };
        templates::install(engine, handle, archive)
    })
}

/// What an image's metadata has for each new container.
fn fetch_metadata(
    engine: &Engine,
    handle: &Handle,
    wanted: &Wanted,
    metadata: &OfferFile,
) -> Result<Vec<FileTemplate>, Failure> {
    handle.log(&format!("fetches {}", metadata.url));
    let order = FetchOrder {
        url: &metadata.url,
        origin: &wanted.origin,
        max: METADATA_MAX,
        size: Some(metadata.size),
        any_certificate: wanted.any_certificate,
        checksum: Some(&metadata.checksum),
    };
    let mut download = Download::begin(engine, &format!("metadata-{}", key_of(&wanted.checksum)))?;
    let fetched = download.fetch(engine, handle, &order)?;
    let name = fetched.path.file_name().unwrap_or_default().to_string_lossy();
    let files = engine.images.read_metadata(&download.folder, &name, &handle.is_cancelled);
    let files = files.map_err(|e| chain(&e))?;
    let paths = files.iter().map(|f| f.file.path.as_str()).collect::<Vec<_>>().join(", ");
    handle.log(&format!(
        "new containers get {}",
        if paths.is_empty() { "no files of its own" } else { &paths }
    ));
    Ok(files)
}

/// The part of a download is found again by what it is to become.
fn key_of(checksum: &Checksum) -> String {
    match checksum {
        Checksum::Sha256(digest) => digest.as_str().to_owned(),
        Checksum::Sha512(hex) => hex.clone(),
    }
}

/// A folder for one download. It goes away once the file was used, and stays when it can be gone on with.
struct Download {
    folder: PathBuf,
    is_kept: bool,
}

impl Download {
    fn begin(engine: &Engine, key: &str) -> Result<Self, Failure> {
        let folder = engine.config.data_dir.join("downloads").join(key);
        fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        Ok(Self { folder, is_kept: false })
    }

    fn fetch(
        &mut self,
        engine: &Engine,
        handle: &Handle,
        order: &FetchOrder<'_>,
    ) -> Result<Fetched, Failure> {
        self.is_kept = order.checksum.is_some();
        let mut shown = 0;
        let fetched = engine.images.fetch(order, &self.folder, &handle.is_cancelled, &mut |progress| {
            let percent = percent(progress);
            if percent > shown {
                shown = percent;
                handle.progress(percent);
            }
        });
        let fetched = fetched.map_err(|e| chain(&e))?;
        self.is_kept = false;
        Ok(fetched)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, folder = %self.folder.display(), "a download could not be removed");
        }
    }
}

fn percent(progress: Progress) -> u8 {
    let percent = progress.all.and_then(|all| (progress.done.0 * 100).checked_div(all.0)).unwrap_or(0);
    u8::try_from(percent.min(100)).unwrap_or(100)
}

/// Removes parts that nobody went on with; at start.
pub(crate) fn remove_old_parts(engine: &Engine) {
    let folder = engine.config.data_dir.join("downloads");
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let changed = fs::metadata(entry.path().join("part")).and_then(|m| m.modified()).ok();
        let is_young = changed.and_then(|t| t.elapsed().ok()).is_some_and(|age| age.as_secs() < PART_AGE_MAX);
        if !is_young && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(%error, "an old download could not be removed");
        }
    }
}

/// From what `kiste template import URL` says.
pub(crate) fn wanted_url(url: String, sha256: Digest, name: Option<TemplateName>) -> Wanted {
    Wanted {
        origin: url.clone(),
        url,
        any_certificate: false,
        size: None,
        checksum: Checksum::Sha256(sha256),
        name,
        metadata: None,
        about: About::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_once_is_asked_again_once_a_day() {
        let day = ASK_AFTER.as_secs().cast_signed();
        assert!(!is_due(10 * day, None, None));
        assert!(!is_due(10 * day, Some(9 * day + 1), None) && is_due(10 * day, Some(9 * day), None));
        // One that does not answer is left alone for a day, too.
        assert!(!is_due(10 * day, Some(0), Some(LOOK_EVERY)) && is_due(10 * day, Some(0), Some(ASK_AFTER)));
        assert!(!is_due(0, Some(day), None), "a clock that was set back");
    }
}
