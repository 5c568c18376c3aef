//! Work on hostile input in a process that has no right on the host; user_namespaces(7).
//!
//! The caller is a process of its own with one thread. The work runs in a child: as root of a user
//! namespace, in fresh namespaces, its root folder a tmpfs that holds one folder of the host, shown
//! through the id map, so that files land there with the ids they have inside. A build gets the host's
//! tools besides, read-only, and the host's network ([`Reach::ToolsAndNetwork`], `host_tools.rs`).
//! Once the child is at work, the caller has its ids too, and no capability.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags},
    fs::{CWD, Mode, OFlags},
    mount::MountAttrFlags,
    process::{DumpableBehavior, Signal, WaitId, WaitIdOptions},
};

use crate::{
    capabilities, host_tools, idmap, mount,
    namespaces::{self, CONTAINER_NAMESPACES},
    process::{self, CloneArgs, Cloned, SingleThreaded},
    rights,
};

/// chown, dac_override, fowner, fsetid, setfcap: what unpacking needs inside.
pub const UNPACK_CAPABILITIES: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 31;

/// As [`UNPACK_CAPABILITIES`], and what a package manager needs in its own namespace: kill, setgid,
/// setuid, sys_chroot, sys_admin (mounts).
pub const BUILD_CAPABILITIES: u64 = UNPACK_CAPABILITIES | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 18 | 1 << 21;

/// What the work sees beside its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing.
    Folder,
    /// The host's programs read-only, and a `/tmp` in memory of at most so many bytes.
    Tools(u64),
    /// The host's programs read-only, the host's network, and a `/tmp` in memory of at most so many bytes.
    ToolsAndNetwork(u64),
}

/// What the work may see and use.
#[derive(Debug)]
pub struct Sandbox<'a> {
    /// Line for the id maps: the ids of the instance itself.
    pub map_line: &'a str,
    /// The host's id for root inside.
    pub host_id: u32,
    /// The folder it may write; `/work` inside.
    pub folder: &'a Path,
    /// What it sees besides.
    pub reach: Reach,
    /// Detached trees that it sees besides, each at a name below `/`; at most three.
    pub views: &'a [(&'a CStr, BorrowedFd<'a>)],
    /// When the other end of this is closed, the work is ended.
    pub lifeline: Option<BorrowedFd<'a>>,
    /// Capabilities inside, one bit each.
    pub capabilities: u64,
    /// Open descriptors of one process.
    pub files_max: u64,
    /// Address space of one process, bytes.
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
    if sandbox.reach != Reach::Folder {
        host_tools::protect()?;
    }
    let network = match sandbox.reach {
        Reach::Folder | Reach::Tools(_) => libc::CLONE_NEWNET.unsigned_abs().into(),
        Reach::ToolsAndNetwork(_) => 0,
    };
    let namespaces = CONTAINER_NAMESPACES | network;
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
            let admitted = admit(sandbox, pid, &ours).and_then(|()| resign(sandbox.host_id));
            drop(ours);
            match (&admitted, sandbox.lifeline) {
                (Ok(()), Some(lifeline)) => wait_or_end(pidfd.as_fd(), lifeline)?,
                (Ok(()), None) => {}
                (Err(_), _) => drop(process::signal_pidfd(pidfd.as_fd(), libc::SIGKILL)),
            }
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
    let views = sandbox.views.iter().map(|(_, view)| *view);
    rights::send(socket.as_fd(), b"G", &std::iter::once(folder.as_fd()).chain(views).collect::<Vec<_>>())?;
    let mut bytes = [0; 4];
    match rights::receive(socket.as_fd(), &mut bytes)? {
        (0, _) => Ok(()),
        _ => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(bytes))),
    }
}

/// What is left to do is to wait: no right on the host is needed for that. The ids are those of the
/// work's root, so that it can be ended. Every capability goes with id 0 (capabilities(7)).
fn resign(host_id: u32) -> io::Result<()> {
    namespaces::become_user(host_id, host_id, &[])?;
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Waits for the end of the work, and ends it when nobody holds the lifeline any more. Its namespace
/// ends with it, down to the last process, before it can be waited for.
fn wait_or_end(work: BorrowedFd<'_>, lifeline: BorrowedFd<'_>) -> io::Result<()> {
    let mut fds = [
        PollFd::from_borrowed_fd(work, PollFlags::IN),
        PollFd::from_borrowed_fd(lifeline, PollFlags::empty()),
    ];
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None))?;
    if fds[1].revents().is_empty() { Ok(()) } else { process::signal_pidfd(work, libc::SIGKILL) }
}

/// The half without: a root folder of its own, then no capability that is not needed.
fn enter(sandbox: &Sandbox<'_>, socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut word = [0; 1];
    let (_, [folder, views @ ..]) = rights::receive(socket, &mut word)?;
    let folder = folder.ok_or(io::ErrorKind::BrokenPipe)?;
    namespaces::become_root_inside()?;
    rustix::process::umask(Mode::empty());
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    mount::make_root_slave()?;
    let options = [(c"mode", c"755"), (c"size", c"1m")];
    let root = mount::new_filesystem(c"tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV)?;
    if let Reach::Tools(scratch_max) | Reach::ToolsAndNetwork(scratch_max) = sandbox.reach {
        host_tools::show(root.as_fd(), scratch_max)?;
    }
    let anywhere =
        rustix::fs::openat(CWD, c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    mount::attach(root.as_fd(), anywhere.as_fd())?;
    let target = mount::ensure_folder(root.as_fd(), c"work", 0o755)?;
    mount::attach(folder.as_fd(), target.as_fd())?;
    for ((name, _), view) in sandbox.views.iter().zip(views) {
        let target = mount::ensure_folder(root.as_fd(), name, 0o755)?;
        mount::attach(view.ok_or(io::ErrorKind::BrokenPipe)?.as_fd(), target.as_fd())?;
    }
    rustix::process::fchdir(&root)?;
    mount::pivot_to_current_folder()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, c"/work", flags, Mode::empty())?;
    let me = rustix::process::getpid();
    let limit = |resource, value| process::set_rlimit_clamped(me, resource, value, value);
    limit(libc::RLIMIT_AS, sandbox.memory_max);
    limit(libc::RLIMIT_CPU, sandbox.cpu_max_s);
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_NOFILE, sandbox.files_max);
    capabilities::keep_only(sandbox.capabilities)?;
    Ok(folder)
}
