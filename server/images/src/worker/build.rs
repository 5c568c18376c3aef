//! `kiste worker build`: a template archive from a plan, as root of a user namespace only.
//!
//! The plan is read before the work is confined; what runs afterwards, package scripts and hooks, sees
//! the host's programs read-only, its network, and can write to its own folders only. It ends with the
//! engine: standard input is the lifeline.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek},
    os::fd::AsFd,
    path::Path,
};

use linux::{process::SingleThreaded, sandbox};
use model::{
    Bytes,
    idmap::IdMap,
    template::{Manifest, ManifestLayer},
};
use rustix::fs::Mode;

use super::{mmdebstrap, tell};
use crate::{
    archive::write_archive,
    build::ARCHIVE,
    report::{BuildPlan, Report},
    unpack::Hashing,
};

/// Largest plan.
const PLAN_MAX: u64 = 16 << 20;
/// Memory the tree may take; with less than half as much again free, it grows on disk.
const SCRATCH: u64 = 2 << 30;
/// The mapped folder, inside.
const WORK: &str = "/work";

/// Reads the plan and does it, confined.
pub(super) fn run(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let mut line = Vec::new();
    let stdin = io::stdin();
    stdin.lock().take(PLAN_MAX).read_until(b'\n', &mut line)?;
    let plan: BuildPlan = serde_json::from_slice(&line)?;
    let scratch = if linux::memory::meminfo("MemAvailable") > SCRATCH / 2 * 3 {
        Scratch::Memory
    } else {
        Scratch::Disk
    };
    let spec = sandbox::Sandbox {
        map_line: &ids.map_line(),
        host_id: ids.base().0,
        folder,
        reach: sandbox::Reach::ToolsAndNetwork(if scratch == Scratch::Memory { SCRATCH } else { 16 << 20 }),
        lifeline: Some(stdin.as_fd()),
        capabilities: sandbox::BUILD_CAPABILITIES,
        files_max: 1024,
        memory_max: 4 << 30,
        cpu_max_s: 3600,
    };
    sandbox::run(SingleThreaded::prove()?, &spec, |_| match build(&plan, scratch) {
        Ok(()) => 0,
        Err(why) => {
            tell(&Report::Refused(why));
            1
        }
    })
}

/// Where the tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scratch {
    /// In memory: dpkg's syncs cost nothing there.
    Memory,
    /// In the work folder.
    Disk,
}

/// Runs inside.
fn build(plan: &BuildPlan, scratch: Scratch) -> Result<(), String> {
    let failed = |what: &'static str| move |e: io::Error| format!("cannot {what}: {e}");
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let work = Path::new(WORK);
    let scratch = match scratch {
        Scratch::Memory => Path::new("/tmp").to_owned(),
        Scratch::Disk => work.join("tmp"),
    };
    fs::create_dir_all(&scratch).map_err(failed("make the work folder"))?;
    let layer = work.join("layer.tar");
    let packages = mmdebstrap::run(plan, &scratch, &layer, &mut |report| tell(&report))?;
    tell(&Report::Step("compress".into()));
    let entry = digest_of(&layer).map_err(failed("read the finished tree"))?;
    let manifest = Manifest { layers: vec![entry], packages, ..plan.manifest.clone() };
    pack(&manifest, &layer, &work.join(ARCHIVE)).map_err(failed("write the archive"))
}

fn digest_of(layer: &Path) -> io::Result<ManifestLayer> {
    let mut hashing = Hashing::new(BufReader::with_capacity(1 << 20, File::open(layer)?));
    io::copy(&mut hashing, &mut io::sink())?;
    let size = Bytes(hashing.count());
    Ok(ManifestLayer { digest: hashing.digest(), size })
}

fn pack(manifest: &Manifest, layer: &Path, archive: &Path) -> io::Result<()> {
    let mut data = File::open(layer)?;
    data.rewind()?;
    let out = File::options().write(true).create_new(true).open(archive)?;
    write_archive(out, manifest, [data])?.sync_all()
}
