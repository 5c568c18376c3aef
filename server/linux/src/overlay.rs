//! Overlay over id-mapped layers; kernel documentation, filesystems/overlayfs.
//!
//! The layers must be *attached* mounts in this mount namespace: given by descriptor or detached they
//! fail on Linux 6.1. The thread that mounts must have its file system user id inside the id map: as
//! user 0 the kernel cannot make the work folder through the id-mapped mount, and mounts read-only
//! without a word.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    mount::{MountAttrFlags, MountFlags},
};

use crate::{capabilities, idmap, mount};

/// Mounts an overlay with nodev on `target`: `layers` base first, `own` holds `upper` and `work`.
/// All names are relative to the current folder and hold no `:`, `,` or `\`.
///
/// # Errors
/// The kernel's errno, and `EROFS` when the kernel mounted it read-only.
pub fn mount(layers: &[String], own: &str, target: &Path, base_id: u32) -> io::Result<()> {
    let lower = layers.iter().rev().map(String::as_str).collect::<Vec<_>>().join(":");
    let options = format!(
        "lowerdir={lower},upperdir={own}/upper,workdir={own}/work,redirect_dir=on,metacopy=on,index=off"
    );
    let options = CString::new(options)?;
    let ids = FsIds::become_ids(base_id)?;
    let mounted =
        rustix::mount::mount(c"kiste", target, c"overlay", MountFlags::NODEV, Some(options.as_c_str()));
    ids.restore()?;
    mounted?;
    let flags = rustix::fs::statvfs(target)?.f_flag;
    if flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(io::Error::from_raw_os_error(libc::EROFS));
    }
    Ok(())
}

/// What layers make together, base first, read-only and through an id map: a detached tree. `place` is a folder
/// on which a scratch file system lies for a moment; the caller has a mount namespace of its own, and loses its
/// current folder.
///
/// # Errors
/// The kernel's errno.
pub fn view(layers: &[&Path], ids: BorrowedFd<'_>, place: &Path) -> io::Result<OwnedFd> {
    let options = [(c"mode", c"755"), (c"size", c"64k")];
    let scratch = mount::new_filesystem(c"tmpfs", &options, MountAttrFlags::empty())?;
    mount::attach(scratch.as_fd(), open_place(place)?.as_fd())?;
    rustix::process::fchdir(&scratch)?;
    // With one layer only there would be nothing to lay over another.
    let mut names = vec!["none".to_owned()];
    let folder = |name: &str| rustix::fs::mkdirat(CWD, name, Mode::from_raw_mode(0o755));
    folder("none")?;
    folder("root")?;
    for (number, layer) in layers.iter().enumerate() {
        let name = format!("l{number}");
        folder(&name)?;
        let tree = mount::copy_tree(CWD, *layer)?;
        idmap::map_tree(tree.as_fd(), ids)?;
        mount::attach(tree.as_fd(), open_place(Path::new(&name))?.as_fd())?;
        names.push(name);
    }
    let lower = names.iter().rev().map(String::as_str).collect::<Vec<_>>().join(":");
    let options = CString::new(format!("lowerdir={lower},redirect_dir=on,metacopy=on"))?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::RDONLY;
    rustix::mount::mount(c"kiste", c"root", c"overlay", flags, Some(options.as_c_str()))?;
    let view = mount::copy_tree(CWD, "root")?;
    rustix::process::chdir("/")?;
    mount::detach(place)?;
    Ok(view)
}

fn open_place(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

/// This thread's file system ids are others for a while (setfsuid(2)).
struct FsIds(());

impl FsIds {
    fn become_ids(id: u32) -> io::Result<Self> {
        set(id);
        // Leaving 0 has dropped the file capabilities from the effective set.
        capabilities::raise_permitted()?;
        Ok(Self(()))
    }

    fn restore(self) -> io::Result<()> {
        set(0);
        capabilities::raise_permitted()
    }
}

fn set(id: u32) {
    // SAFETY: setfsgid takes a number and cannot fail in a way that matters: the mount then does.
    unsafe { libc::setfsgid(id) };
    // SAFETY: as above.
    unsafe { libc::setfsuid(id) };
}
