//! Our own index of a folder of built archives: `index.json`, and `index.json.sig` over its exact bytes.
//!
//! Whoever reads it checks the signature before parsing a byte, then that it is neither older than one that was seen
//! before nor expired. Both files and the archives can lie on any static web server.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use model::{
    Bytes, Checksum,
    source::{Index, IndexEntry, Offer, Source, Trust},
    template::{ContainerTemplate, Manifest},
};
use thiserror::Error;

use super::{
    SourceError,
    key::{SigningKey, is_signed},
};
use crate::{fetch::sums::Sums, unpack::decompress};

/// The index.
pub const FILE: &str = "index.json";
/// Its signature, 64 bytes.
pub const SIGNATURE: &str = "index.json.sig";
/// Most templates in an index.
const TEMPLATES_MAX: usize = 10_000;
/// How far two clocks may be apart, seconds.
const CLOCK_SKEW: i64 = 86_400;
/// Largest manifest that is read.
const MANIFEST_MAX: u64 = 4 << 20;

/// Reads an index that somebody has sent.
///
/// # Errors
/// [`SourceError`] when it is not signed by `key`, not understood, out of date, or older than `seen`.
pub fn read(
    bytes: &[u8],
    signature: &[u8],
    key: &[u8; 32],
    seen: u64,
    now: i64,
) -> Result<Index, SourceError> {
    if !is_signed(bytes, signature, key) {
        return Err(SourceError::Signature);
    }
    let index: Index = serde_json::from_slice(bytes).map_err(|e| SourceError::Format(e.to_string()))?;
    if index.format != 1 || index.templates.len() > TEMPLATES_MAX {
        return Err(SourceError::Format(format!("format {}", index.format)));
    }
    if index.serial < seen {
        return Err(SourceError::RolledBack { given: index.serial, seen });
    }
    if index.expires <= now {
        return Err(SourceError::Expired);
    }
    if index.generated > now + CLOCK_SKEW {
        return Err(SourceError::Early);
    }
    if let Some(entry) = index.templates.iter().find(|e| !is_plain_name(&e.file)) {
        return Err(SourceError::Format(format!("the file name {:?}", entry.file)));
    }
    Ok(index)
}

/// What it offers to machines of this architecture.
#[must_use]
pub fn offers(index: Index, source: &Source, architecture: &str) -> Vec<Offer> {
    let fitting = index.templates.into_iter().filter(|e| e.architecture == architecture);
    fitting
        .map(|e| Offer {
            url: format!("{}{}", source.url, e.file),
            name: e.name,
            version: e.version,
            title: e.title,
            description: e.description,
            size: Some(e.size),
            metadata: None,
            checksum: Checksum::Sha256(e.sha256),
        })
        .collect()
}

/// The file lies beside the index, whatever an index says.
fn is_plain_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    name.bytes().all(is_plain) && !name.starts_with('.') && name.ends_with(".tar.zst") && name.len() <= 128
}

/// An index was not made.
#[derive(Debug, Error)]
pub enum WriteError {
    /// A file.
    #[error("cannot use {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// Nothing to offer.
    #[error("{} holds no archive that `kiste template build` has made", .0.display())]
    Empty(PathBuf),
}

/// A new index.
#[derive(Debug)]
pub struct Written {
    /// What it says.
    pub index: Index,
    /// What others configure to believe it.
    pub trust: Trust,
}

/// Makes the index of a folder anew: of each template the newest archive. The key is made when there is none.
///
/// # Errors
/// [`WriteError`]; the index that is there stays then.
pub fn write(folder: &Path, key: &Path, now: i64, days: u32) -> Result<Written, WriteError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |e| WriteError::Io(path, e)
    };
    let signing = SigningKey::load_or_make(key).map_err(io(key))?;
    let mut newest: BTreeMap<String, IndexEntry> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).filter(|n| is_plain_name(n));
        let Some(name) = name.map(str::to_owned) else { continue };
        let entry = describe(&path, name).map_err(io(&path))?;
        match newest.get(entry.name.as_str()) {
            Some(other) if (other.built, &other.version) >= (entry.built, &entry.version) => {}
            _ => drop(newest.insert(entry.name.to_string(), entry)),
        }
    }
    if newest.is_empty() {
        return Err(WriteError::Empty(folder.to_owned()));
    }
    let index = Index {
        format: 1,
        serial: 0,
        generated: now,
        expires: now + i64::from(days) * 86_400,
        templates: newest.into_values().collect(),
    };
    let index = sign(folder, &signing, index)?;
    Ok(Written { index, trust: signing.trust() })
}

/// Signs an index that is there anew, once archives beside it have come and gone; believed as long as before. `new` is
/// a template that was built again, with its archive; one that was not offered before is not offered by itself now.
/// Nothing is done where there is no index, or one that another key has signed.
///
/// # Errors
/// [`WriteError`]; the index that is there stays then.
pub fn update(
    folder: &Path,
    key: &Path,
    now: i64,
    new: Option<(&ContainerTemplate, &str)>,
) -> Result<Option<Index>, WriteError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |e| WriteError::Io(path, e)
    };
    if !folder.join(FILE).exists() || !key.exists() {
        return Ok(None);
    }
    let signing = SigningKey::load_or_make(key).map_err(io(key))?;
    let [json, signature] = [FILE, SIGNATURE].map(|name| fs::read(folder.join(name)).unwrap_or_default());
    let is_ours = matches!(signing.trust(), Trust::Ed25519(public) if is_signed(&json, &signature, &public));
    let Some(old) = serde_json::from_slice::<Index>(&json).ok().filter(|_| is_ours) else {
        return Ok(None);
    };
    let mut templates = old.templates.clone();
    let offered = new.filter(|(new, _)| templates.iter().any(|t| t.name == new.name));
    if let Some((template, file)) = offered {
        let path = folder.join(file);
        let entry = entry(template, file, now, &path).map_err(io(&path))?;
        templates.retain(|t| t.name != entry.name);
        templates.push(entry);
        templates.sort_by(|a, b| a.name.cmp(&b.name));
    }
    templates.retain(|t| folder.join(&t.file).is_file());
    if templates == old.templates {
        return Ok(None);
    }
    let expires = now + old.expires.saturating_sub(old.generated);
    sign(folder, &signing, Index { generated: now, expires, templates, ..old }).map(Some)
}

/// What an index says of a template that was made here.
fn entry(template: &ContainerTemplate, file: &str, now: i64, path: &Path) -> io::Result<IndexEntry> {
    let mut archive = File::open(path)?;
    Ok(IndexEntry {
        name: template.name.clone(),
        version: template.version.clone(),
        title: template.title.clone(),
        description: template.description.clone(),
        architecture: template.architecture.clone(),
        built: now,
        file: file.to_owned(),
        size: Bytes(archive.metadata()?.len()),
        sha256: Sums::of(&mut archive)?.sha256,
    })
}

/// Gives an index the next serial, signs it and puts it in its place.
fn sign(folder: &Path, signing: &SigningKey, index: Index) -> Result<Index, WriteError> {
    let path = folder.join(FILE);
    let serial = last_serial(&path).max(u64::try_from(index.generated).unwrap_or(0)) + 1;
    let index = Index { serial, ..index };
    let json = serde_json::to_vec_pretty(&index).map_err(|e| WriteError::Io(path, e.into()))?;
    // The signature first: who comes in between tries again with both.
    for (name, bytes) in [(SIGNATURE, signing.sign(&json)), (FILE, json)] {
        let path = folder.join(name);
        replace(&path, &bytes).map_err(|e| WriteError::Io(path, e))?;
    }
    Ok(index)
}

/// The serial of the index that is there, signed or not: ours must be higher.
fn last_serial(path: &Path) -> u64 {
    let index = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
    index.map_or(0, |i| i.serial)
}

/// Opens the index, its signature, or an archive that it names.
///
/// # Errors
/// When it is none of these, or cannot be read.
pub fn open_shared(folder: &Path, name: &str) -> io::Result<File> {
    let is_named = || -> io::Result<bool> {
        let index: Index = serde_json::from_slice(&fs::read(folder.join(FILE))?)?;
        Ok(is_plain_name(name) && index.templates.iter().any(|t| t.file == name))
    };
    if name == FILE || name == SIGNATURE || is_named()? {
        return File::open(folder.join(name));
    }
    Err(io::ErrorKind::NotFound.into())
}

fn describe(path: &Path, file: String) -> io::Result<IndexEntry> {
    let mut archive = File::open(path)?;
    let sums = Sums::of(&mut archive)?;
    let size = Bytes(archive.metadata()?.len());
    let mut json = Vec::new();
    let mut tar = tar::Archive::new(decompress(archive)?);
    let first = tar.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    if *first.path_bytes() != *b"manifest.json" {
        return Err(io::Error::other("it has no manifest: it is no archive of ours"));
    }
    first.take(MANIFEST_MAX).read_to_end(&mut json)?;
    let manifest: Manifest = serde_json::from_slice(&json)?;
    Ok(IndexEntry {
        name: manifest.name,
        version: manifest.version,
        title: manifest.title,
        description: manifest.description,
        architecture: manifest.architecture,
        built: manifest.built,
        file,
        size,
        sha256: sums.sha256,
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::write_archive;
    use model::{
        Digest,
        source::SourceKind,
        template::{ImageRef, ManifestLayer, TemplateOrigin},
    };
    use sha2::{Digest as _, Sha256};

    const NOW: i64 = 1_795_392_000;

    fn put(folder: &Path, name: &str, version: &str, built: i64) {
        let layer = b"layer";
        let digest = Digest::from_bytes(&Sha256::digest(layer).into());
        let manifest = Manifest {
            version: version.into(),
            layers: vec![ManifestLayer { digest, size: Bytes(5) }],
            ..crate::import::plain_manifest(name.parse().unwrap(), String::new(), built)
        };
        let bytes = write_archive(Vec::new(), &manifest, [layer.as_slice()]).unwrap();
        fs::write(folder.join(format!("{name}-{version}.tar.zst")), bytes).unwrap();
    }

    fn made(folder: &Path) -> (Vec<u8>, Vec<u8>, [u8; 32]) {
        let written = write(folder, &folder.join("index.key"), NOW, 30).unwrap();
        let Trust::Ed25519(key) = written.trust else { panic!("no key") };
        (fs::read(folder.join(FILE)).unwrap(), fs::read(folder.join(SIGNATURE)).unwrap(), key)
    }

    #[test]
    fn what_is_written_is_read_by_who_has_the_key() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "debian-12", "1.20260101", 10);
        put(dir.path(), "debian-12", "1.20260201", 20);
        put(dir.path(), "wordpress", "1.20260101", 10);
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let (json, signature, key) = made(dir.path());
        let index = read(&json, &signature, &key, 0, NOW).unwrap();
        let names: Vec<_> = index.templates.iter().map(|t| (t.name.as_str(), t.version.as_str())).collect();
        assert_eq!(names, [("debian-12", "1.20260201"), ("wordpress", "1.20260101")]);
        let source = Source {
            name: "a".parse().unwrap(),
            kind: SourceKind::Index,
            url: "https://a.example/t/".into(),
            trust: Trust::Ed25519(key),
            key: None,
        };
        let serial = index.serial;
        let offers = offers(index, &source, "amd64");
        assert_eq!(offers[0].url, "https://a.example/t/debian-12-1.20260201.tar.zst");
        for (name, is_open) in [
            (FILE, true),
            (SIGNATURE, true),
            ("debian-12-1.20260201.tar.zst", true),
            ("debian-12-1.20260101.tar.zst", false),
            ("index.key", false),
            ("notes.txt", false),
            ("../index.json", false),
            ("", false),
        ] {
            assert_eq!(open_shared(dir.path(), name).is_ok(), is_open, "{name}");
        }
        // A second one in the same second is newer all the same.
        let (json, signature, _) = made(dir.path());
        assert_eq!(read(&json, &signature, &key, serial, NOW).unwrap().serial, serial + 1);
    }

    #[test]
    fn what_is_forged_old_or_expired_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "debian-12", "1.20260101", 10);
        let (json, signature, key) = made(dir.path());
        let serial = read(&json, &signature, &key, 0, NOW).unwrap().serial;
        let mut changed = json.clone();
        *changed.last_mut().unwrap() = b' ';
        assert!(matches!(read(&changed, &signature, &key, 0, NOW), Err(SourceError::Signature)));
        assert!(matches!(read(&json, &signature, &[1; 32], 0, NOW), Err(SourceError::Signature)));
        assert!(matches!(read(&json, b"", &key, 0, NOW), Err(SourceError::Signature)));
        assert!(matches!(
            read(&json, &signature, &key, serial + 1, NOW),
            Err(SourceError::RolledBack { .. })
        ));
        assert!(matches!(read(&json, &signature, &key, 0, NOW + 31 * 86_400), Err(SourceError::Expired)));
        assert!(matches!(read(&json, &signature, &key, 0, NOW - 2 * 86_400), Err(SourceError::Early)));
        // Signed, and hostile.
        let signing = SigningKey::load_or_make(&dir.path().join("index.key")).unwrap();
        let text = String::from_utf8(json).unwrap();
        for (from, to) in [
            ("debian-12-1.20260101.tar.zst", "../../x.tar.zst"),
            ("debian-12-1.20260101.tar.zst", "https://evil.example/x.tar.zst"),
            ("\"format\": 1", "\"format\": 2"),
            ("\"name\": \"debian-12\"", "\"name\": \"../x\""),
            ("\"serial\"", "\"cereal\""),
            ("{", "["),
        ] {
            let forged = text.replacen(from, to, 1);
            assert_ne!(forged, text);
            let signature = signing.sign(forged.as_bytes());
            let read = read(forged.as_bytes(), &signature, &key, 0, NOW);
            assert!(matches!(read, Err(SourceError::Format(_))), "{to}");
        }
    }

    #[test]
    fn an_index_follows_the_archives_that_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, key) = (dir.path(), dir.path().join("index.key"));
        let template = |name: &str, version: &str| ContainerTemplate {
            name: name.parse().unwrap(),
            version: version.into(),
            description: "d".into(),
            architecture: "amd64".into(),
            origin: TemplateOrigin::Built,
            image: ImageRef { digest: "ab".repeat(32).parse().unwrap(), layers: Vec::new() },
            size: Bytes(1),
            packages: Vec::new(),
            installed: NOW,
            title: String::new(),
            memory_min: Bytes(0),
            application: model::Application::default(),
            recipe: None,
            sources: Vec::new(),
            files: Vec::new(),
        };
        let put = |name: &str, version: &str| put(folder, name, version, NOW);
        put("debian-12", "1.0");
        put("lamp", "1.0");
        let new = template("debian-12", "2.0");
        let update = |file: &str| update(folder, &key, NOW + 5, Some((&new, file))).unwrap();
        assert_eq!(update("x"), None, "nobody has asked for an index");
        let written = write(folder, &key, NOW, 30).unwrap();
        let Trust::Ed25519(public) = written.trust else { panic!("no key") };
        put("debian-12", "2.0");
        fs::remove_file(folder.join("debian-12-1.0.tar.zst")).unwrap();
        let newer = update("debian-12-2.0.tar.zst").unwrap();
        let files: Vec<_> = newer.templates.iter().map(|t| t.file.as_str()).collect();
        assert_eq!(files, ["debian-12-2.0.tar.zst", "lamp-1.0.tar.zst"]);
        assert_eq!(newer.expires - newer.generated, 30 * 86_400);
        let [json, signature] = [FILE, SIGNATURE].map(|n| fs::read(folder.join(n)).unwrap());
        assert_eq!(read(&json, &signature, &public, written.index.serial + 1, NOW + 6).unwrap(), newer);

        // What was not offered stays at home, and what is gone is no longer offered.
        put("secret", "1.0");
        let other = template("secret", "1.0");
        assert_eq!(super::update(folder, &key, NOW, Some((&other, "secret-1.0.tar.zst"))).unwrap(), None);
        fs::remove_file(folder.join("lamp-1.0.tar.zst")).unwrap();
        assert_eq!(super::update(folder, &key, NOW, None).unwrap().unwrap().templates.len(), 1);
        // Somebody else's index is left alone.
        fs::write(folder.join(FILE), b"{}").unwrap();
        assert_eq!(super::update(folder, &key, NOW, None).unwrap(), None);
        assert_eq!(fs::read(folder.join(FILE)).unwrap(), b"{}");
    }

    #[test]
    fn a_folder_without_archives_of_ours_has_no_index() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("index.key");
        assert!(matches!(write(dir.path(), &key, NOW, 30), Err(WriteError::Empty(_))));
        fs::write(dir.path().join("foreign.tar.zst"), zstd::encode_all(&b"x"[..], 1).unwrap()).unwrap();
        assert!(matches!(write(dir.path(), &key, NOW, 30), Err(WriteError::Io(..))));
        assert!(!dir.path().join(FILE).exists());
    }
}
