//! `kiste worker squashfs`: a squashfs image as the tar stream that the strict extractor reads; sqfs2tar(1).
//!
//! The kernel never mounts it: its reader of this format is not made for hostile images.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use linux::sandbox;
use model::{Bytes, idmap::IdMap};

use super::{Confinement, progress, run_confined};
use crate::import::SquashfsPlan;

/// The tool, and its package.
pub(crate) const TOOL: (&str, &str) = ("/usr/bin/sqfs2tar", "squashfs-tools-ng");
/// What the image is called in the folder, and what it becomes.
pub(crate) const IMAGE: &str = "image.squashfs";
pub(crate) const TAR: &str = "root.tar";
/// Largest plan.
const PLAN_MAX: u64 = 4096;
/// The mapped folder, inside.
const WORK: &str = "/work";

/// Reads the plan and does it, confined.
pub(super) fn run(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let reach = sandbox::Reach::Tools(16 << 20);
    let confinement = Confinement { plan_max: PLAN_MAX, reach, memory_max: 1 << 30, cpu_max_s: 3600 };
    run_confined(ids, folder, &confinement, |_, plan: SquashfsPlan| convert(plan.max))
}

fn convert(max: Bytes) -> Result<(), String> {
    let failed = |what: &'static str| move |e: io::Error| format!("cannot {what}: {e}");
    let mut tar = File::create_new(Path::new(WORK).join(TAR)).map_err(failed("make the archive"))?;
    let mut child = Command::new(TOOL.0)
        .args(["--no-skip", "--root-becomes", "."])
        .arg(Path::new(WORK).join(IMAGE))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed("start sqfs2tar"))?;
    let mut output = child.stdout.take().ok_or("sqfs2tar has no output")?;
    let (mut buffer, mut written, mut tell) = (vec![0; 256 << 10], 0, progress());
    loop {
        let n = output.read(&mut buffer).map_err(failed("read the image"))?;
        if n == 0 {
            break;
        }
        written += n as u64;
        if written > max.0 {
            return Err(format!("the image holds more than {max}, which is what the disk has room for"));
        }
        tar.write_all(&buffer[..n]).map_err(failed("write the archive"))?;
        tell(written);
    }
    let done = child.wait_with_output().map_err(failed("wait for sqfs2tar"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let why = said.lines().next_back().unwrap_or_default();
    let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(format!("the squashfs image is damaged: {why}"))
}
