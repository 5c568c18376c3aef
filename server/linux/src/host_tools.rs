//! The host's programs in the root folder of a confined build: read-only, with a small /dev, a /proc
//! of its own and a /tmp in memory. Nothing of the host can be written, and of /etc only what programs
//! need to run and to find names is there.
//!
//! They are made read-only before the build's user namespace exists: flags that a mount namespace
//! inherits from a more privileged one cannot be taken back in it (mount_namespaces(7)).

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
    mount::MountAttrFlags,
};

use crate::{idmap, mount, namespaces};

/// Folders of programs. Where the host has a link (merged /usr), the link is copied.
const PROGRAMS: [&CStr; 7] = [c"usr", c"bin", c"sbin", c"lib", c"lib32", c"lib64", c"libx32"];

/// Of /etc: names, addresses, certificates, the linker's cache, alternatives. No secret is among them.
const SETTINGS: [&CStr; 11] = [
    c"alternatives",
    c"ca-certificates",
    c"group",
    c"hosts",
    c"ld.so.cache",
    c"ld.so.conf",
    c"ld.so.conf.d",
    c"nsswitch.conf",
    c"passwd",
    c"resolv.conf",
    c"ssl/certs",
];

/// Devices that hold nothing.
const DEVICES: [&CStr; 6] = [c"null", c"zero", c"full", c"random", c"urandom", c"tty"];

/// Makes what will be shown read-only, in a mount namespace of this process's own.
pub(crate) fn protect() -> io::Result<()> {
    namespaces::unshare_mounts()?;
    mount::make_root_slave()?;
    for (folder, names) in [(c"/", PROGRAMS.as_slice()), (c"/etc/", SETTINGS.as_slice())] {
        for name in names {
            let path = join(folder, name)?;
            let is_link = rustix::fs::readlinkat(CWD, path.as_c_str(), Vec::new()).is_ok();
            if is_link && folder == c"/" {
                // Leads to another one of them.
                continue;
            }
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let target = match rustix::fs::open(path.as_c_str(), flags, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            let tree = mount::copy_tree(CWD, path.as_c_str())?;
            idmap::make_tree_harmless(tree.as_fd())?;
            mount::attach(tree.as_fd(), target.as_fd())?;
        }
    }
    Ok(())
}

/// Shows all of it below `root`, a fresh file system; before pivoting there, while the host is in sight.
pub(crate) fn show(root: BorrowedFd<'_>, scratch_max: u64) -> io::Result<()> {
    for name in PROGRAMS {
        show_programs(root, name)?;
    }
    let etc = mount::ensure_folder(root, c"etc", 0o755)?;
    drop(mount::ensure_folder(etc.as_fd(), c"ssl", 0o755)?);
    for name in SETTINGS {
        match show_one(c"/etc/", etc.as_fd(), name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    let dev = mount::ensure_folder(root, c"dev", 0o755)?;
    for name in DEVICES {
        // Read-only would not matter for a device; nodev would.
        let node = mount::copy_tree(CWD, join(c"/dev/", name)?.as_c_str())?;
        let target = mount::ensure_file(dev.as_fd(), name)?;
        mount::attach(node.as_fd(), target.as_fd())?;
    }
    rustix::fs::symlinkat(c"/proc/self/fd", &dev, c"fd")?;
    let shm = mount::new_filesystem(
        c"tmpfs",
        &[(c"mode", c"1777"), (c"size", c"16m")],
        mount::NOSUID_NODEV_NOEXEC,
    )?;
    place(dev.as_fd(), c"shm", &shm)?;
    let pts = mount::new_filesystem(
        c"devpts",
        &[(c"ptmxmode", c"0666"), (c"mode", c"0620")],
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )?;
    place(dev.as_fd(), c"pts", &pts)?;
    let proc = mount::new_filesystem(c"proc", &[], mount::NOSUID_NODEV_NOEXEC)?;
    place(root, c"proc", &proc)?;
    let size = CString::new(scratch_max.to_string())?;
    let options = [(c"mode", c"1777"), (c"size", size.as_c_str())];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let tmp = mount::new_filesystem(c"tmpfs", &options, attributes)?;
    place(root, c"tmp", &tmp)
}

fn place(dir: BorrowedFd<'_>, name: &CStr, filesystem: &OwnedFd) -> io::Result<()> {
    let target = mount::ensure_folder(dir, name, 0o755)?;
    mount::attach(filesystem.as_fd(), target.as_fd())
}

fn show_programs(root: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let path = join(c"/", name)?;
    match rustix::fs::readlinkat(CWD, path.as_c_str(), Vec::new()) {
        Ok(target) => Ok(rustix::fs::symlinkat(target, root, name)?),
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::INVAL) => show_one(c"/", root, name),
        Err(e) => Err(e.into()),
    }
}

/// A file or folder of the host; a link is followed, on the host.
fn show_one(folder: &CStr, root: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let path = join(folder, name)?;
    let stat = rustix::fs::statat(CWD, path.as_c_str(), AtFlags::empty())?;
    let tree = mount::copy_tree(CWD, path.as_c_str())?;
    let target = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(root, name, Mode::from_raw_mode(0o755))?;
            mount::open_beneath(root, name, OFlags::PATH)?
        }
        _ => mount::ensure_file(root, name)?,
    };
    mount::attach(tree.as_fd(), target.as_fd())
}

fn join(folder: &CStr, name: &CStr) -> io::Result<CString> {
    Ok(CString::new([folder.to_bytes(), name.to_bytes()].concat())?)
}
