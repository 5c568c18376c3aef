//! Work on hostile input in a process that has no right on the host; user_namespaces(7).
//!
//! The caller is a process of its own with one thread. The work runs in a child: as root of a user
//! namespace, in fresh namespaces of every kind, its root folder a tmpfs that holds one folder of the
//! host, shown through the id map, so that files land there with the ids they have inside.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    mount::MountAttrFlags,
    process::{DumpableBehavior, Signal, WaitId, WaitIdOptions},
};

use crate::{
    capabilities, idmap, mount,
    namespaces::{self, CONTAINER_NAMESPACES},
    process::{self, CloneArgs, Cloned, SingleThreaded},
    rights,
};

/// chown, dac_override, fowner, fsetid, setfcap: what unpacking needs inside.
pub const UNPACK_CAPABILITIES: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 31;

/// What the work may see and use.
#[derive(Debug)]
pub struct Sandbox<'a> {
    /// Line for the id maps: the ids of the instance itself.
    pub map_line: &'a str,
    /// The folder it may write.
    pub folder: &'a Path,
    /// Capabilities inside, one bit each.
    pub capabilities: u64,
    /// Address space, bytes.
    pub memory_max: u64,
    /// CPU time, seconds.
    pub cpu_max_s: u64,
}

/// Runs `work` confined and gives its exit code. It gets the folder's descriptor; standard input and
/// output are the caller's.
///
/// # Errors
/// When the sandbox could not be made; the work has not begun then.
pub fn run(
    proof: SingleThreaded,
    sandbox: &Sandbox<'_>,
    work: impl FnOnce(OwnedFd) -> i32,
) -> io::Result<i32> {
    let (ours, theirs) = rights::packet_pair()?;
    let namespaces = CONTAINER_NAMESPACES | libc::CLONE_NEWNET.unsigned_abs() as u64;
    match process::clone_process(proof, CloneArgs { namespaces, ..CloneArgs::default() })? {
        Cloned::Child => {
            drop(ours);
            let code = match enter(sandbox, theirs.as_fd()) {
                Ok(folder) => {
                    drop(theirs);
                    work(folder)
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0);
                    let _ = rights::send(theirs.as_fd(), &errno.to_ne_bytes(), &[]);
                    126
                }
            };
            process::exit_now(code)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let admitted = admit(sandbox, pid, &ours);
            drop(ours);
            let options = WaitIdOptions::EXITED;
            let status =
                rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options))?;
            admitted?;
            let code =
                status.and_then(|s| s.exit_status().or_else(|| s.terminating_signal().map(|n| 128 + n)));
            Ok(code.unwrap_or(255))
        }
    }
}

/// The half with rights on the host: maps, and the mapped view of the folder.
fn admit(sandbox: &Sandbox<'_>, pid: rustix::process::Pid, socket: &OwnedFd) -> io::Result<()> {
    namespaces::write_id_maps(pid, sandbox.map_line)?;
    let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
    let user = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let folder = mount::copy_tree(CWD, sandbox.folder)?;
    idmap::map_tree(folder.as_fd(), user.as_fd())?;
    rights::send(socket.as_fd(), b"G", &[folder.as_fd()])?;
    let mut bytes = [0; 4];
    match rights::receive(socket.as_fd(), &mut bytes)? {
        (0, _) => Ok(()),
        _ => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(bytes))),
    }
}

/// The half without: a root folder of its own, then no capability that is not needed.
fn enter(sandbox: &Sandbox<'_>, socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut word = [0; 1];
    let (_, [folder, ..]) = rights::receive(socket, &mut word)?;
    let folder = folder.ok_or(io::ErrorKind::BrokenPipe)?;
    namespaces::become_root_inside()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    mount::make_root_slave()?;
    let options = [(c"mode", c"755"), (c"size", c"1m")];
    let root = mount::new_filesystem(c"tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV)?;
    let anywhere =
        rustix::fs::openat(CWD, c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    mount::attach(root.as_fd(), anywhere.as_fd())?;
    let target = mount::ensure_folder(root.as_fd(), c"work", 0o755)?;
    mount::attach(folder.as_fd(), target.as_fd())?;
    rustix::process::fchdir(&root)?;
    mount::pivot_to_current_folder()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, c"/work", flags, Mode::empty())?;
    let me = rustix::process::getpid();
    let limit = |resource, value| process::set_rlimit_clamped(me, resource, value, value);
    limit(libc::RLIMIT_AS, sandbox.memory_max);
    limit(libc::RLIMIT_CPU, sandbox.cpu_max_s);
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_NOFILE, 64);
    rustix::process::umask(Mode::empty());
    capabilities::keep_only(sandbox.capabilities)?;
    Ok(folder)
}
