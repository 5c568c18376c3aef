//! Writing a template archive: a zstd-compressed tar with `manifest.json` first, then
//! `layers/DIGEST.tar` in the manifest's order. The worker's unpacking reads it back.
//!
//! The same input gives the same bytes, whatever the number of cores.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use model::template::Manifest;
use tar::{Builder, EntryType, Header};

/// Costs four seconds for Debian's 220 MiB; 19 would save a tenth for thirty times as long.
const ZSTD_LEVEL: i32 = 9;

/// Writes an archive with one reader a layer; a reader gives as many bytes as its manifest entry says.
///
/// # Errors
/// When a layer is shorter or `out` takes no more.
pub(crate) fn write_archive<W: Write>(
    out: W,
    manifest: &Manifest,
    layers: impl IntoIterator<Item = impl Read>,
) -> io::Result<W> {
    let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
    // With one worker or many the bytes are the same; without any they are others.
    let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    encoder.multithread(cores.min(8))?;
    encoder.include_checksum(true)?;
    let mut tar = Builder::new(encoder);
    let json = serde_json::to_vec_pretty(manifest)?;
    let mtime = u64::try_from(manifest.built).unwrap_or(0);
    tar.append_data(&mut header(json.len() as u64, mtime), "manifest.json", json.as_slice())?;
    for (layer, mut data) in manifest.layers.iter().zip(layers) {
        let name = format!("layers/{}.tar", layer.digest);
        let mut exact = (&mut data).take(layer.size.0);
        tar.append_data(&mut header(layer.size.0, mtime), name, &mut exact)?;
        if exact.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    tar.into_inner()?.finish()
}

/// Writes the layers of an archive that was built here to `folder`, as tar files in their order.
///
/// # Errors
/// When it is no archive of ours, or a file cannot be written.
pub(crate) fn extract_layers(stream: impl Read, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut layers = Vec::new();
    for entry in tar::Archive::new(stream).entries()? {
        let mut entry = entry?;
        if entry.path_bytes().starts_with(b"layers/") {
            let path = folder.join(format!("layer-{}.tar", layers.len()));
            io::copy(&mut entry, &mut File::create_new(&path)?)?;
            layers.push(path);
        }
    }
    if layers.is_empty() { Err(io::Error::other("it holds no layer")) } else { Ok(layers) }
}

fn header(size: u64, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Bytes, Digest, template::ManifestLayer};
    use sha2::{Digest as _, Sha256};

    fn layer() -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        let mut own = header(5, 7);
        // The unpacker gives files their owner, which only root can do for others.
        let about = std::fs::metadata("/proc/self").unwrap();
        own.set_uid(std::os::unix::fs::MetadataExt::uid(&about).into());
        own.set_gid(std::os::unix::fs::MetadataExt::gid(&about).into());
        tar.append_data(&mut own, "etc/hostname", &b"hello"[..]).unwrap();
        tar.into_inner().unwrap()
    }

    fn manifest(layer: &[u8]) -> Manifest {
        let digest = Digest::from_bytes(&Sha256::digest(layer).into());
        Manifest {
            format: 1,
            name: "tiny".parse().unwrap(),
            version: "1.0.20261123".into(),
            description: "A tiny one.".into(),
            architecture: "amd64".into(),
            built: 1_795_392_000,
            layers: vec![ManifestLayer { digest, size: Bytes(layer.len() as u64) }],
            packages: vec!["dbus 1.14".into()],
            title: "Tiny".into(),
            memory_min: Bytes::mib(64),
            application: model::Application::default(),
            recipe: None,
            sources: Vec::new(),
            files: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let layer = layer();
        let archive = write_archive(Vec::new(), &manifest(&layer), [layer.as_slice()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let folder = std::fs::File::open(dir.path()).unwrap().into();
        let stream = crate::unpack::decompress(io::Cursor::new(archive)).unwrap();
        let read = crate::worker::unpack_template(stream, &folder, crate::unpack::Bounds::default()).unwrap();
        assert_eq!(read, manifest(&layer));
        assert_eq!(std::fs::read(dir.path().join("0/fs/etc/hostname")).unwrap(), b"hello");
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let layer = layer();
        let write = || write_archive(Vec::new(), &manifest(&layer), [layer.as_slice()]).unwrap();
        assert_eq!(write(), write());
    }

    #[test]
    fn a_layer_that_is_too_short_is_no_archive() {
        let layer = layer();
        assert!(write_archive(Vec::new(), &manifest(&layer), [&layer[..600]]).is_err());
    }
}
