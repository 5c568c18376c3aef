//! The payload's cgroups before a relaunch: nothing in them, nothing below them, nothing turned on.
//!
//! With controllers still turned on for children the kernel lets no process into a v2 group (the
//! no-internal-process rule of cgroup-v2). Names in cgroupfs cannot be links, so paths are safe here.

use std::{fs, io, path::Path};

use protocol::shim::CgroupPlan;
use rustix::event::{PollFd, PollFlags, poll};

use crate::failure::{At, Failure};

/// Waits until the payload is empty and makes it as it was at the first launch. Everything in it dies
/// with init's pid namespace; `cgroup.kill` is no way: Linux 6.18 then kills every process that is born
/// into the group later.
pub(crate) fn clear_cgroup(plan: &CgroupPlan) -> Result<(), Failure> {
    wait_until_empty(&plan.payload)?;
    remove_children(&plan.payload).at("remove the container's cgroups")?;
    turn_off_controllers(&plan.payload).at("reset the container's cgroup")
}

fn wait_until_empty(folder: &Path) -> Result<(), Failure> {
    let events = fs::File::open(folder.join("cgroup.events")).at("open cgroup.events")?;
    loop {
        let mut text = [0; 256];
        let n = rustix::io::pread(&events, &mut text, 0).at("read cgroup.events")?;
        if text[..n].windows(11).any(|w| w == b"populated 0") {
            return Ok(());
        }
        let mut fds = [PollFd::new(&events, PollFlags::PRI)];
        rustix::io::retry_on_intr(|| poll(&mut fds, None)).at("wait for the cgroup")?;
    }
}

fn remove_children(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_children(&entry.path())?;
            fs::remove_dir(entry.path())?;
        }
    }
    Ok(())
}

fn turn_off_controllers(folder: &Path) -> io::Result<()> {
    let control = folder.join("cgroup.subtree_control");
    let off: Vec<String> =
        fs::read_to_string(&control)?.split_ascii_whitespace().map(|name| format!("-{name}")).collect();
    if off.is_empty() { Ok(()) } else { fs::write(control, off.join(" ")) }
}
