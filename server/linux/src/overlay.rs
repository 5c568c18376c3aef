//! Overlay over id-mapped layers; kernel documentation, filesystems/overlayfs.
//!
//! The layers must be *attached* mounts in this mount namespace: given by descriptor or detached they
//! fail on Linux 6.1. The thread that mounts must have its file system user id inside the id map: as
//! user 0 the kernel cannot make the work folder through the id-mapped mount, and mounts read-only
//! without a word.

use std::{ffi::CString, io, path::Path};

use rustix::mount::MountFlags;

use crate::capabilities;

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
