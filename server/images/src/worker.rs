//! The confined processes: `kiste worker unpack BASE FOLDER`, archive on standard input, and
//! `kiste worker KIND BASE FOLDER` for every other kind, plan on standard input; reports on standard output.

mod build;
mod capture;
mod fetch;
mod metadata;
pub(crate) mod mmdebstrap;
pub(crate) mod signature;
mod sources;
pub(crate) mod squashfs;

use std::{
    ffi::OsString,
    io::{self, BufRead, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use linux::{process::SingleThreaded, sandbox};
use model::{Bytes, idmap::IdMap, template::Manifest};
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::{
    report::Report,
    unpack::{Bounds, Counting, Refusal, decompress, unpack},
};

/// Largest manifest that is read.
const MANIFEST_MAX: u64 = 4 << 20;
/// Where TurnKey's appliances have the scripts of their first boot.
const INITHOOKS: &str = "usr/lib/inithooks/firstboot.d";
/// Bytes written between two reports of progress.
const PROGRESS_STEP: u64 = 4 << 20;

/// Runs a worker; called before any thread exists. Gives the exit code.
#[must_use]
pub fn main(arguments: &[OsString]) -> u8 {
    let words: Vec<Option<&str>> = arguments.iter().map(|a| a.to_str()).collect();
    let [Some(work), Some(base), Some(folder)] = words.as_slice() else { return 2 };
    let Some(ids) = base.parse().ok().and_then(IdMap::at) else { return 2 };
    let folder = PathBuf::from(folder);
    let confined = match *work {
        "unpack" => run_unpack(ids, &folder),
        "build" => build::run(ids, &folder),
        "capture" => capture::run(ids, &folder),
        "fetch" => fetch::run(ids, &folder),
        "signature" => signature::run(ids, &folder),
        "squashfs" => squashfs::run(ids, &folder),
        "metadata" => metadata::run_metadata(ids, &folder),
        "render" => metadata::run_render(ids, &folder),
        _ => return 2,
    };
    match confined {
        Ok(code) => u8::try_from(code).unwrap_or(255),
        Err(error) => {
            tell(&Report::Refused(format!(
                "cannot confine the {work} process: {error}; `kiste doctor` checks the host"
            )));
            1
        }
    }
}

fn run_unpack(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let stdout = io::stdout();
    let spec = sandbox::Sandbox {
        map_line: &ids.map_line(),
        host_id: ids.base().0,
        folder,
        reach: sandbox::Reach::Folder,
        // Nobody reads the reports any more: the engine is gone.
        views: &[],
        lifeline: Some(stdout.as_fd()),
        capabilities: sandbox::UNPACK_CAPABILITIES,
        files_max: 64,
        memory_max: 1 << 30,
        cpu_max_s: 3600,
    };
    sandbox::run(SingleThreaded::prove()?, &spec, |folder| {
        exit_code(unpack_archive(&folder).map_err(|refusal| model::error_chain(&refusal)))
    })
}

/// What a worker of some kind sees and may use; the rest is the same for all without rights of their own.
struct Confinement {
    /// Largest plan, bytes.
    plan_max: u64,
    /// What it sees beside its folder.
    reach: sandbox::Reach,
    /// Address space of one process, bytes.
    memory_max: u64,
    /// CPU time, seconds.
    cpu_max_s: u64,
}

/// Reads the plan and does the work, confined and without a capability.
fn run_confined<T: serde::de::DeserializeOwned>(
    ids: IdMap,
    folder: &Path,
    confinement: &Confinement,
    work: impl FnOnce(&OwnedFd, T) -> Result<(), String>,
) -> io::Result<i32> {
    let plan = read_plan(confinement.plan_max)?;
    let stdin = io::stdin();
    let spec = sandbox::Sandbox {
        map_line: &ids.map_line(),
        host_id: ids.base().0,
        folder,
        reach: confinement.reach,
        views: &[],
        lifeline: Some(stdin.as_fd()),
        capabilities: 0,
        files_max: 64,
        memory_max: confinement.memory_max,
        cpu_max_s: confinement.cpu_max_s,
    };
    sandbox::run(SingleThreaded::prove()?, &spec, |folder| exit_code(work(&folder, plan)))
}

/// The plan that the engine has written to standard input; what stays open of it is the lifeline.
fn read_plan<T: serde::de::DeserializeOwned>(max: u64) -> io::Result<T> {
    let mut line = Vec::new();
    io::stdin().lock().take(max).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

fn tell(report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        let _ = io::stdout().write_all(&line);
    }
}

/// The exit code of confined work; why it failed is told.
fn exit_code(done: Result<(), String>) -> i32 {
    match done {
        Ok(()) => 0,
        Err(why) => {
            tell(&Report::Refused(why));
            1
        }
    }
}

fn unpack_archive(folder: &OwnedFd) -> Result<(), Refusal> {
    let bounds = Bounds::default();
    let stream = decompress(io::stdin().lock()).map_err(Refusal::Damaged)?;
    let mut stream = io::BufReader::new(Counting::new(stream, bounds.bytes * 2));
    let start = io::BufRead::fill_buf(&mut stream).map_err(Refusal::Damaged)?;
    if start.starts_with(b"manifest.json\0") {
        tell(&Report::Manifest(Box::new(unpack_template(stream, folder, bounds)?)));
        return Ok(());
    }
    let tree = unpack_layer(0, stream, folder, bounds)?;
    if looks_like_a_system(tree.as_fd()) {
        if rustix::fs::statat(&tree, INITHOOKS, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            tell(&Report::Inithooks);
        }
        return Ok(());
    }
    Err(Refusal::Damaged(io::Error::other("it holds no root file system: /etc and an init are missing")))
}

/// Our own archive: the manifest, which is given back, then its layers in order.
pub(crate) fn unpack_template(
    stream: impl Read,
    folder: &OwnedFd,
    bounds: Bounds,
) -> Result<Manifest, Refusal> {
    let mut archive = tar::Archive::new(stream);
    let mut entries = archive.entries().map_err(Refusal::Damaged)?;
    let damaged = |text: &str| Refusal::Damaged(io::Error::other(text.to_owned()));
    let first = entries.next().ok_or_else(|| damaged("it is empty"))?.map_err(Refusal::Damaged)?;
    let mut json = Vec::new();
    first.take(MANIFEST_MAX).read_to_end(&mut json).map_err(Refusal::Damaged)?;
    let manifest: Manifest = serde_json::from_slice(&json).map_err(|e| Refusal::Damaged(e.into()))?;
    if manifest.format != 1 || manifest.layers.is_empty() || manifest.layers.len() > 32 {
        return Err(damaged("its manifest is of a format that this version does not know"));
    }
    for (number, layer) in (0..).zip(&manifest.layers) {
        let entry = entries.next().ok_or_else(|| damaged("a layer is missing"))?.map_err(Refusal::Damaged)?;
        if *entry.path_bytes() != *format!("layers/{}.tar", layer.digest).as_bytes() {
            return Err(damaged("its layers are not those of its manifest"));
        }
        let tree = make_folder(number, folder)?;
        let bounds = Bounds { has_whiteouts: number > 0, ..bounds };
        let unpacked = unpack(entry, tree, bounds, &mut progress())?;
        if unpacked.digest != layer.digest {
            return Err(damaged(
                "the digest of a layer is not the one in its manifest: download or build it again",
            ));
        }
        report_layer(number, &unpacked);
    }
    Ok(manifest)
}

fn unpack_layer(
    number: u32,
    stream: impl Read,
    folder: &OwnedFd,
    bounds: Bounds,
) -> Result<OwnedFd, Refusal> {
    let tree = make_folder(number, folder)?;
    let copy = tree.try_clone().map_err(|e| Refusal::Write(number.to_string(), e))?;
    let unpacked = unpack(stream, tree, bounds, &mut progress())?;
    report_layer(number, &unpacked);
    Ok(copy)
}

fn report_layer(number: u32, unpacked: &crate::unpack::Unpacked) {
    tell(&Report::Layer {
        number,
        digest: unpacked.digest.clone(),
        archive_size: unpacked.archive_size,
        size: unpacked.size,
        skipped: unpacked.skipped,
    });
}

fn progress() -> impl FnMut(u64) {
    let mut told = 0;
    move |bytes| {
        if bytes >= told + PROGRESS_STEP {
            told = bytes;
            tell(&Report::Progress(Bytes(bytes)));
        }
    }
}

/// `<number>/fs`: the tree lies alone in a folder that nothing from the archive can name.
fn make_folder(number: u32, folder: &OwnedFd) -> Result<OwnedFd, Refusal> {
    let name = number.to_string();
    let make = || -> rustix::io::Result<OwnedFd> {
        rustix::fs::mkdirat(folder, &name, Mode::from_raw_mode(0o700))?;
        let path = format!("{name}/fs");
        rustix::fs::mkdirat(folder, &path, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(folder, &path, flags, Mode::empty())
    };
    make().map_err(|e| Refusal::Write(name.clone(), e.into()))
}

fn looks_like_a_system(tree: BorrowedFd<'_>) -> bool {
    let has = |path: &str| rustix::fs::statat(tree, path, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    has("etc") && ["sbin/init", "usr/sbin/init", "bin/sh", "usr/bin/sh"].into_iter().any(has)
}
