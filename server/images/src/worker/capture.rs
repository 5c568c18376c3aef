//! `kiste worker capture`: what a container has on top of its image, as one more layer.
//!
//! Before it is confined the worker mounts two views, read-only and through its own id map: the image, and the
//! image with the container's layer. Both are read with GNU tar, inside; what differs is the layer. So nothing
//! is taken from the overlay's own marks, which a container could have forged.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::{Command, Stdio},
};

use linux::{idmap, mount, namespaces, overlay, process::SingleThreaded, sandbox};
use model::{Bytes, idmap::IdMap, template::ManifestLayer};

use super::{build, exit_code, make_folder, progress, read_plan, report_layer, tell};
use crate::{
    archive,
    build::{ARCHIVE, PARENT},
    layers,
    report::{CapturePlan, Report},
    unpack::{Bounds, decompress, unpack},
};

/// Largest plan.
const PLAN_MAX: u64 = 16 << 20;
/// The mapped folder, inside.
const WORK: &str = "/work";
/// The tools.
const TAR: &str = "/usr/bin/tar";
const DU: &str = "/usr/bin/du";

/// Reads the plan and does it, confined.
pub(super) fn run(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let plan: CapturePlan = read_plan(PLAN_MAX)?;
    let stdin = io::stdin();
    namespaces::unshare_mounts()?;
    mount::make_root_slave()?;
    let map = idmap::user_namespace(SingleThreaded::prove()?, &ids.map_line())?;
    let upper = plan.own_layer.join("upper");
    let mut layers: Vec<&Path> = plan.layers.iter().map(AsRef::as_ref).collect();
    let image = overlay::view(&layers, map.as_fd(), folder)?;
    layers.push(&upper);
    let whole = overlay::view(&layers, map.as_fd(), folder)?;
    let spec = sandbox::Sandbox {
        map_line: &ids.map_line(),
        host_id: ids.base().0,
        folder,
        reach: sandbox::Reach::Tools(16 << 20),
        views: &[(c"image", image.as_fd()), (c"whole", whole.as_fd())],
        lifeline: Some(stdin.as_fd()),
        capabilities: sandbox::UNPACK_CAPABILITIES,
        files_max: 256,
        memory_max: 4 << 30,
        cpu_max_s: 3600,
    };
    sandbox::run(SingleThreaded::prove()?, &spec, |folder| exit_code(capture(&plan, &folder)))
}

/// Runs inside.
fn capture(plan: &CapturePlan, folder: &OwnedFd) -> Result<(), String> {
    let failed = |what: &'static str| move |e: io::Error| format!("cannot {what}: {e}");
    let work = Path::new(WORK);
    tell(&Report::Step("read".into()));
    check_size(folder)?;
    let mut image = pack_tree("/image", &work.join("image.tar"))?;
    let mut whole = pack_tree("/whole", &work.join("whole.tar"))?;
    tell(&Report::Step("compare".into()));
    let own = work.join("own.tar");
    let out = File::create_new(&own).map_err(failed("write the layer"))?;
    let out = BufWriter::with_capacity(1 << 20, out);
    let date = u64::try_from(plan.manifest.built).unwrap_or(0);
    let forgotten = layers::write_own_work(&mut image, &mut whole, out, date, &plan.forget);
    for line in forgotten.map_err(failed("take the layer"))? {
        tell(&Report::Line(format!("left out, {line}")));
    }
    let stream = File::open(&own).map_err(failed("read the layer"))?;
    let bounds = Bounds { has_whiteouts: true, ..Bounds::default() };
    let text = |e: crate::unpack::Refusal| model::error_chain(&e);
    let tree = make_folder(0, folder).map_err(text)?;
    let unpacked = unpack(stream, tree, bounds, &mut progress()).map_err(text)?;
    let mut manifest = plan.manifest.clone();
    manifest.layers.push(ManifestLayer { digest: unpacked.digest.clone(), size: unpacked.archive_size });
    report_layer(0, &unpacked);
    if plan.has_archive {
        tell(&Report::Step("compress".into()));
        write_archive(&mut manifest, &own, work).map_err(failed("write the archive"))?;
    }
    tell(&Report::Manifest(Box::new(manifest)));
    Ok(())
}

/// Refuses what would fill the disk before a byte is written: a file with holes counts with its whole length.
fn check_size(folder: &OwnedFd) -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot measure the container's files: {e}");
    let done = Command::new(DU)
        .args(["--summarize", "--apparent-size", "--block-size=1", "/whole"])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(failed)?;
    let text = String::from_utf8_lossy(&done.stdout);
    let size = text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    let size = size.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
    let free = linux::disk::file_system(folder).map_err(failed)?.free_bytes;
    let limit = Bounds::default().bytes;
    if size > limit {
        let (size, limit) = (Bytes(size), Bytes(limit));
        return Err(format!(
            "the container's files are {size} long, and a template may have {limit}: remove some"
        ));
    }
    // Image and whole as tar files, then the layer twice at most.
    let need = size.saturating_mul(3);
    if need > free {
        let (need, free) = (Bytes(need), Bytes(free));
        return Err(format!(
            "{need} of room are needed and {free} are free where the data folder lies: make room"
        ));
    }
    Ok(())
}

/// One tar file with all that a view holds, in an order that does not depend on the disk.
fn pack_tree(view: &str, path: &Path) -> Result<File, String> {
    let failed = |e: io::Error| format!("cannot read the container's files: {e}");
    let out = File::create_new(path).map_err(failed)?;
    let done = Command::new(TAR)
        .args([
            "--create",
            "--numeric-owner",
            "--one-file-system",
            "--sort=name",
            "--format=posix",
            "--xattrs",
        ])
        .args(["--xattrs-include=user.*", "--xattrs-include=security.capability"])
        .args(["--xattrs-include=system.posix_acl_*"])
        .arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
        .args([
            "--exclude=./dev/*",
            "--exclude=./proc/*",
            "--exclude=./sys/*",
            "--exclude=./run/*",
            "-C",
            view,
            ".",
        ])
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(failed)?;
    if !done.status.success() {
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        let last = text.lines().rev().find(|l| !l.contains("socket ignored")).unwrap_or_default();
        return Err(format!("cannot read the container's files: {last}"));
    }
    File::options().read(true).write(true).open(path).map_err(failed)
}

/// All layers, those of the image from its archive.
fn write_archive(manifest: &mut model::template::Manifest, own: &Path, work: &Path) -> io::Result<()> {
    let parent = work.join(PARENT);
    let mut layers = archive::extract_layers(decompress(File::open(&parent)?)?, work)?;
    fs::remove_file(parent)?;
    for (entry, layer) in manifest.layers.iter_mut().zip(&layers) {
        let found = build::digest_of(layer)?;
        if found.digest != entry.digest {
            return Err(io::Error::other(
                "the template's archive is not the one that the container was made from",
            ));
        }
        entry.size = found.size;
    }
    layers.push(own.to_owned());
    build::pack(manifest, &layers, &work.join(ARCHIVE))
}
