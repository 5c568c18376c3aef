//! `kiste worker build`: a template archive from a plan, as root of a user namespace only.
//!
//! The plan is read before the work is confined; what runs afterwards, package scripts and hooks, sees
//! the host's programs read-only, its network, and can write to its own folders only. It ends with the
//! engine: standard input is the lifeline.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use linux::{process::SingleThreaded, sandbox};
use model::{
    Bytes,
    idmap::IdMap,
    template::{Manifest, ManifestLayer},
};
use rustix::fs::Mode;

use super::{exit_code, mmdebstrap, read_plan, sources, tell};
use crate::{
    archive,
    build::{ARCHIVE, PARENT},
    layers,
    report::{BuildPlan, Report},
    unpack::{Hashing, decompress},
};

/// Largest plan.
const PLAN_MAX: u64 = 16 << 20;
/// Memory the tree may take; with less than half as much again free, it grows on disk.
const SCRATCH: u64 = 2 << 30;
/// The mapped folder, inside.
const WORK: &str = "/work";

/// Reads the plan and does it, confined.
pub(super) fn run(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let plan: BuildPlan = read_plan(PLAN_MAX)?;
    let stdin = io::stdin();
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
        views: &[],
        lifeline: Some(stdin.as_fd()),
        capabilities: sandbox::BUILD_CAPABILITIES,
        files_max: 1024,
        memory_max: 4 << 30,
        cpu_max_s: 3600,
    };
    sandbox::run(SingleThreaded::prove()?, &spec, |_| exit_code(build(&plan, scratch)))
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
    let mut parent = match plan.suite {
        Some(_) => None,
        None => {
            tell(&Report::Step("base".into()));
            Some(Parent::open(work).map_err(failed("read the template that it stands on"))?)
        }
    };
    let placing = sources::prepare(&plan.sources, work, &scratch)?;
    let order = mmdebstrap::Order {
        plan,
        suite: plan.suite.as_ref().or(parent.as_ref().map(|p| &p.suite)).map_or("", String::as_str),
        parent: parent.as_ref().map(|p| p.tree.as_path()),
        scratch: &scratch,
        placing: &placing,
    };
    let tree = work.join("tree.tar");
    let packages = mmdebstrap::run(&order, &tree, &mut |report| tell(&report))?;
    tell(&Report::Step("compress".into()));
    let mut layers = parent.as_mut().map(|p| std::mem::take(&mut p.layers)).unwrap_or_default();
    layers.push(match &parent {
        None => tree,
        Some(parent) => own_layer(parent, &tree, plan.manifest.built).map_err(failed("take the layer"))?,
    });
    let entries = layers.iter().map(|l| digest_of(l)).collect::<io::Result<Vec<_>>>();
    let entries = entries.map_err(failed("read the finished tree"))?;
    let manifest = Manifest { layers: entries, packages, ..plan.manifest.clone() };
    pack(&manifest, &layers, &work.join(ARCHIVE)).map_err(failed("write the archive"))
}

/// The template that a stage stands on.
struct Parent {
    /// Debian's release.
    suite: String,
    /// Tar files of its layers.
    layers: Vec<PathBuf>,
    /// One tar file with all that they make.
    tree: PathBuf,
}

impl Parent {
    fn open(work: &Path) -> io::Result<Self> {
        let archive = work.join(PARENT);
        let stream = decompress(File::open(&archive)?)?;
        let layers = archive::extract_layers(stream, work)?;
        let tree = work.join("parent.tar");
        let mut files = layers.iter().map(File::open).collect::<io::Result<Vec<_>>>()?;
        let mut out = File::create_new(&tree)?;
        layers::write_merged(&mut files, BufWriter::with_capacity(1 << 20, &mut out))?;
        fs::remove_file(archive)?;
        let suite = layers::read_text(&mut File::open(&tree)?, b"etc/os-release")
            .or_else(|_| layers::read_text(&mut File::open(&tree)?, b"usr/lib/os-release"))?;
        let suite = suite.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME=").map(str::to_owned));
        let suite = suite.ok_or_else(|| io::Error::other("it does not say of which release it is"))?;
        Ok(Self { suite, layers, tree })
    }
}

fn own_layer(parent: &Parent, tree: &Path, date: i64) -> io::Result<PathBuf> {
    let path = tree.with_file_name("own.tar");
    let out = BufWriter::with_capacity(1 << 20, File::create_new(&path)?);
    let date = u64::try_from(date).unwrap_or(0);
    layers::write_difference(&mut File::open(&parent.tree)?, &mut File::open(tree)?, out, date)?;
    fs::remove_file(tree)?;
    Ok(path)
}

pub(super) fn digest_of(layer: &Path) -> io::Result<ManifestLayer> {
    let mut hashing = Hashing::new(BufReader::with_capacity(1 << 20, File::open(layer)?));
    io::copy(&mut hashing, &mut io::sink())?;
    let size = Bytes(hashing.count());
    Ok(ManifestLayer { digest: hashing.digest(), size })
}

pub(super) fn pack(manifest: &Manifest, layers: &[PathBuf], archive: &Path) -> io::Result<()> {
    let data = layers.iter().map(File::open).collect::<io::Result<Vec<_>>>()?;
    archive::write_archive(File::create_new(archive)?, manifest, data)?.sync_all()
}
