//! Taking over an init that runs on after its shim has died.
//!
//! It is found by its cgroup and as process 1 of a pid namespace directly below the host's, never by a
//! stored number. It is no child of this shim: its end is seen, its exit code is not. Nothing below its
//! root is trusted: /proc/PID/root is opened, the rest is resolved beneath it.

use std::{
    ffi::CString,
    fs,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use linux::{
    mount, namespaces,
    process::{self, CloneArgs, Cloned, SingleThreaded},
    pty,
};
use protocol::shim::ShimPlan;
use rustix::{
    fs::{CWD, Mode, OFlags},
    process::{Pid, PidfdFlags},
};

use crate::{
    failure::{At, Failure},
    launch::{Init, reap, start_ticks},
};

/// `f_type` of devpts (statfs(2)).
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Finds and takes over the init of a plan's cgroup.
pub(crate) fn adopt(proof: SingleThreaded, plan: &ShimPlan) -> Result<Init, Failure> {
    let absent = || Failure::plain("find a running init in the cgroup");
    let pid = find_init(&plan.cgroup.payload).ok_or_else(absent)?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).at("open init")?;
    // The number may have passed to another process in between; the descriptor keeps it from now on.
    if find_init(&plan.cgroup.payload) != Some(pid) {
        return Err(absent());
    }
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = format!("/proc/{}/root", pid.as_raw_nonzero());
    let root = rustix::fs::openat(CWD, path, folder, Mode::empty()).at("open init's root")?;
    let devpts = mount::open_beneath(root.as_fd(), c"dev/pts", OFlags::PATH | OFlags::DIRECTORY)
        .at("open /dev/pts")?;
    if rustix::fs::fstatfs(&devpts).at("look at /dev/pts")?.f_type != DEVPTS_MAGIC {
        return Err(Failure::plain("check /dev/pts"));
    }
    // The old console has died with the old shim; this one takes its place. Made outside it belongs to
    // an id that the container has not.
    let (console, console_slave) = pty::open_pair(devpts.as_fd()).at("open a console")?;
    let base = plan.id_map.base().0;
    let (uid, gid) = (rustix::fs::Uid::from_raw(base), rustix::fs::Gid::from_raw(base + 5));
    rustix::fs::fchown(&console_slave, Some(uid), Some(gid)).at("hand over the console")?;
    let name = pty::name(console.as_fd()).at("name the console")?;
    // A container that has bent its /dev keeps a dead console, but is not given up for that.
    let _ = bind_console(proof, pidfd.as_fd(), root.as_fd(), devpts.as_fd(), &name);
    Ok(Init { pid, pidfd, start_ticks: start_ticks(pid)?, console, console_slave, devpts })
}

/// Puts a pty on /dev/console, from inside: the mounts are the container's. With a dead one there systemd
/// waits a second for each line that it writes, and never comes to the end of a shutdown.
fn bind_console(
    proof: SingleThreaded,
    init: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    devpts: BorrowedFd<'_>,
    name: &CString,
) -> Result<(), Failure> {
    let bind = || {
        namespaces::join_all(init)?;
        // Nothing can be put on a node that is gone. Whatever this path leads to is the container's own.
        mount::detach(Path::new("/dev/console"))?;
        let node = mount::copy_tree(devpts, name.as_c_str())?;
        let target = mount::open_beneath(root, c"dev/console", OFlags::PATH)?;
        mount::attach(node.as_fd(), target.as_fd())
    };
    match process::clone_process(proof, CloneArgs::default()).at("clone a worker")? {
        Cloned::Child => process::exit_now(i32::from(bind().is_err())),
        Cloned::Parent { pidfd, .. } => {
            let code = reap(pidfd.as_fd()).and_then(|status| status.exit_status());
            if code == Some(0) { Ok(()) } else { Err(Failure::plain("bind /dev/console")) }
        }
    }
}

/// Names in cgroupfs cannot be links, so walking by path is safe.
fn find_init(group: &Path) -> Option<Pid> {
    let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let here = procs.lines().find(|line| is_init(line)).and_then(|line| Pid::from_raw(line.parse().ok()?));
    here.or_else(|| {
        let below = fs::read_dir(group).ok()?.flatten();
        below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).find_map(|e| find_init(&e.path()))
    })
}

/// Process 1 of a namespace that the container made itself has a third number.
fn is_init(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|l| l.strip_prefix("NSpid:"));
    numbers.is_some_and(|n| n.split_ascii_whitespace().eq([pid, "1"]))
}
