//! A user namespace as an id map, and mounts that show a tree through it; mount_setattr(2),
//! user_namespaces(7).

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::fs::{CWD, Mode, OFlags};

use crate::{
    namespaces,
    process::{self, CloneArgs, Cloned, SingleThreaded},
};

/// Makes a user namespace with the given map and gives its descriptor. It needs a process for a
/// moment, since only a process can make one.
///
/// # Errors
/// The kernel's errno.
pub fn user_namespace(proof: SingleThreaded, map_line: &str) -> io::Result<OwnedFd> {
    let (hold, release) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let args = CloneArgs { namespaces: namespaces::USER_NAMESPACE, ..CloneArgs::default() };
    match process::clone_process(proof, args)? {
        Cloned::Child => {
            drop(release);
            // Ends when the parent closes its end, also when the parent dies.
            let _ = rustix::io::read(&hold, &mut [0; 1]);
            process::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(hold);
            let made = namespaces::write_id_maps(pid, map_line).and_then(|()| {
                let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
                Ok(rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
            });
            drop(release);
            rustix::process::waitid(
                rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)),
                rustix::process::WaitIdOptions::EXITED,
            )?;
            made
        }
    }
}

/// Shows a detached tree through the id map of a user namespace: ids as on disk outside, mapped inside.
///
/// # Errors
/// `EINVAL` when the file system cannot (kernel below 5.12 for ext4, 5.15 for btrfs).
pub fn map_tree(tree: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: user_namespace.as_raw_fd() as u64,
    };
    set_attributes(tree, c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, &attr)
}

fn set_attributes(dir: BorrowedFd<'_>, path: &CStr, flags: i32, attr: &libc::mount_attr) -> io::Result<()> {
    // SAFETY: `path` is NUL-terminated and `attr` complete; both are borrowed for the whole call.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<libc::mount_attr>(),
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a detached tree read-only.
///
/// # Errors
/// The kernel's errno.
pub fn make_tree_read_only(tree: BorrowedFd<'_>) -> io::Result<()> {
    let attr =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    set_attributes(tree, c"", libc::AT_EMPTY_PATH, &attr)
}

/// Makes a detached tree with all submounts read-only, without devices and setuid programs.
///
/// # Errors
/// The kernel's errno.
pub fn make_tree_harmless(tree: BorrowedFd<'_>) -> io::Result<()> {
    let attr_set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let attr = libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    set_attributes(tree, c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, &attr)
}
