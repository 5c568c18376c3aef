//! Mounts by descriptor: open_tree(2), fsopen(2), fsmount(2), move_mount(2), pivot_root(2).
//!
//! Nothing here allocates, so that it can run between clone and exec. Targets are descriptors that
//! the caller has resolved; a path inside a container's tree is never followed.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
        UnmountFlags,
    },
};

/// A detached copy of the tree at `path` below `dir`, submounts included.
///
/// # Errors
/// The kernel's errno.
pub fn copy_tree<Fd: AsFd, P: rustix::path::Arg>(dir: Fd, path: P) -> io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    Ok(rustix::mount::open_tree(dir, path, flags)?)
}

/// A detached copy of the one mount that `path` lies on, from there down.
///
/// # Errors
/// The kernel's errno.
pub fn copy_mount(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(rustix::mount::open_tree(CWD, path, flags)?)
}

/// Asks for a kind of file system, so that the kernel loads its module.
///
/// # Errors
/// `ENODEV` when the kernel has no such kind.
pub fn load_filesystem(kind: &CStr) -> io::Result<()> {
    Ok(rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map(drop)?)
}

/// Attaches a detached mount on the file or folder behind `target`.
///
/// # Errors
/// The kernel's errno.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, c"", target, c"", flags)?)
}

/// A new detached file system of a kind that needs no device, with options `key=value` or flags.
///
/// # Errors
/// The kernel's errno.
pub fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    Ok(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Attributes of most of a container's own file systems.
pub const NOSUID_NODEV_NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The folder `name` directly below `dir`, made when it is missing. Never a symbolic link.
///
/// # Errors
/// `ELOOP` or `ENOTDIR` when something else has that name.
pub fn ensure_folder(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(e) => return Err(e.into()),
    }
    open_beneath(dir, name, OFlags::PATH | OFlags::DIRECTORY)
}

/// An empty file `name` directly below `dir`, to mount something on.
///
/// # Errors
/// The kernel's errno.
pub fn ensure_file(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE
        | OFlags::RDONLY
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    drop(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644))?);
    open_beneath(dir, name, OFlags::PATH)
}

/// Opens below `dir` without following any symbolic link or leaving it (openat2(2)).
///
/// # Errors
/// `ELOOP` at a symbolic link, `EXDEV` when the path leads out.
pub fn open_beneath(dir: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve)?)
}

/// This mount namespace hears of the host's unmounts, but tells nothing back.
///
/// # Errors
/// The kernel's errno.
pub fn make_root_slave() -> io::Result<()> {
    Ok(rustix::mount::mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

/// The root passes mounts on to what is made inside, as services expect.
///
/// # Errors
/// The kernel's errno.
pub fn make_root_shared() -> io::Result<()> {
    Ok(rustix::mount::mount_change(c"/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)?)
}

/// Makes a mount on the current folder the root and lets go of the old one.
///
/// # Errors
/// The kernel's errno.
pub fn pivot_to_current_folder() -> io::Result<()> {
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")?;
    Ok(())
}

/// Binds a copy of the current folder's tree on itself and enters it, so that it can become the root.
///
/// # Errors
/// The kernel's errno.
pub fn enter_copy_of_current_folder() -> io::Result<OwnedFd> {
    let tree = copy_tree(CWD, c".")?;
    rustix::mount::move_mount(tree.as_fd(), c"", CWD, c".", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    rustix::process::fchdir(tree.as_fd())?;
    Ok(tree)
}

/// Detaches the mount at `path` of this process's namespace; that nothing is there is no error.
///
/// # Errors
/// The kernel's errno.
pub fn detach(path: &std::path::Path) -> io::Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
