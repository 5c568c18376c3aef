//! Folders and file systems by descriptor: opening without following, renaming without replacing,
//! what is used and what is free; openat2(2), renameat2(2), statfs(2).

use std::{
    collections::HashSet,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags},
    io::Errno,
};

/// Deepest tree that [`tree_bytes`] counts: one descriptor a level.
const DEPTH_MAX: usize = 128;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a folder; a symbolic link in its place is refused.
///
/// # Errors
/// `ENOTDIR` for a link or a file, `ENOENT`.
pub fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, FOLDER, Mode::empty())?)
}

/// Opens a folder as [`open_folder`] does, if it belongs to the user this process acts as.
///
/// # Errors
/// `EPERM` when it belongs to somebody else.
pub fn open_own_folder(path: &Path) -> io::Result<OwnedFd> {
    let folder = open_folder(path)?;
    if rustix::fs::fstat(&folder)?.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM.into());
    }
    Ok(folder)
}

/// Something by its path only: nothing can be read through it, but a socket be connected to; open(2),
/// `O_PATH`.
///
/// # Errors
/// The kernel's errno.
pub fn open_path(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// An empty file without a name on the file system of a folder; open(2), `O_TMPFILE`.
///
/// # Errors
/// The kernel's errno.
pub fn nameless_file(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Renames `name` in `from` to `new_name` in `to`, unless something has that name already.
///
/// # Errors
/// `EEXIST`, or another errno of the kernel.
pub fn rename_new(from: BorrowedFd<'_>, name: &str, to: BorrowedFd<'_>, new_name: &str) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(from, name, to, new_name, RenameFlags::NOREPLACE)?)
}

/// What a file system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind as mount(8) writes it, or `another`.
    pub kind: &'static str,
    /// All bytes.
    pub total_bytes: u64,
    /// Bytes that may still be written without being root.
    pub free_bytes: u64,
}

/// The file system below a descriptor.
///
/// # Errors
/// The kernel's errno.
pub fn file_system<Fd: AsFd>(fd: Fd) -> io::Result<FileSystem> {
    let stat = rustix::fs::fstatfs(fd)?;
    // The field's sign differs between architectures; its low 32 bits are the number.
    let magic = u32::try_from(stat.f_type & 0xffff_ffff).unwrap_or_default();
    let block = u64::try_from(stat.f_frsize).unwrap_or_default();
    Ok(FileSystem {
        kind: kind_name(magic),
        total_bytes: stat.f_blocks.saturating_mul(block),
        free_bytes: stat.f_bavail.saturating_mul(block),
    })
}

fn kind_name(magic: u32) -> &'static str {
    match magic {
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlay",
        0x2FC1_2FC1 => "zfs",
        0xF2F5_2010 => "f2fs",
        0xCA45_1A4E => "bcachefs",
        0x6573_5546 => "fuse",
        0x6969 => "nfs",
        0x0102_1997 => "9p",
        0xFF53_4D42 | 0xFE53_4D42 => "cifs",
        _ => "another",
    }
}

/// Bytes on disk of the tree `name` below `dir`, each file once, nothing followed, no other mount.
///
/// The tree may be written to meanwhile, even with ill will: what vanishes is passed over, and what
/// lies deeper than 128 folders is not counted.
///
/// # Errors
/// The kernel's errno for the tree itself.
pub fn tree_bytes(dir: BorrowedFd<'_>, name: &str) -> io::Result<u64> {
    let top = open_below(dir, name)?;
    let mut blocks = rustix::fs::fstat(&top)?.st_blocks.cast_unsigned();
    let mut linked = HashSet::new();
    let mut stack = vec![Dir::new(top)?];
    loop {
        let depth = stack.len();
        let Some(folder) = stack.last_mut() else { break };
        let Some(entry) = folder.read() else {
            stack.pop();
            continue;
        };
        let Ok(entry) = entry else {
            stack.pop();
            continue;
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let fd = folder.fd()?;
        let Ok(stat) = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_folder && stat.st_nlink > 1 && !linked.insert(stat.st_ino) {
            continue;
        }
        blocks = blocks.saturating_add(stat.st_blocks.cast_unsigned());
        if is_folder && depth < DEPTH_MAX {
            match open_below(fd, name) {
                Ok(child) => stack.push(Dir::new(child)?),
                Err(e) if e.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => return Err(e),
                Err(_) => {}
            }
        }
    }
    // st_blocks counts 512 bytes each, whatever the file system's own block is (stat(2)).
    Ok(blocks.saturating_mul(512))
}

fn open_below<P: rustix::path::Arg>(dir: BorrowedFd<'_>, name: P) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(rustix::fs::openat2(dir, name, FOLDER, Mode::empty(), resolve)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn a_tree_counts_each_file_once_and_follows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let fd = open_folder(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("t/a")).unwrap();
        fs::write(dir.path().join("big"), vec![1; 1 << 20]).unwrap();
        let empty = tree_bytes(fd.as_fd(), "t").unwrap();
        symlink("../big", dir.path().join("t/link")).unwrap();
        symlink("..", dir.path().join("t/up")).unwrap();
        fs::write(dir.path().join("t/a/file"), vec![1; 1 << 16]).unwrap();
        for n in 0..5 {
            fs::hard_link(dir.path().join("t/a/file"), dir.path().join(format!("t/again{n}"))).unwrap();
        }
        fs::File::open(dir.path().join("t/a/file")).unwrap().sync_all().unwrap();
        let used = tree_bytes(fd.as_fd(), "t").unwrap() - empty;
        assert!((1 << 16..1 << 17).contains(&used), "{used}");
        assert!(tree_bytes(fd.as_fd(), "t/link").is_err());
        assert!(tree_bytes(fd.as_fd(), "absent").is_err());
    }

    #[test]
    fn links_are_no_folders_and_nothing_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a")).unwrap();
        fs::create_dir_all(dir.path().join("b")).unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        assert!(open_folder(&dir.path().join("link")).is_err());
        let fd = open_folder(dir.path()).unwrap();
        let error = rename_new(fd.as_fd(), "a", fd.as_fd(), "b").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        rename_new(fd.as_fd(), "a", fd.as_fd(), "c").unwrap();
    }

    #[test]
    fn a_file_system_has_a_kind_and_sizes() {
        let proc = file_system(open_folder(Path::new("/proc")).unwrap()).unwrap();
        assert_eq!(proc.kind, "another");
        let root = file_system(open_folder(Path::new("/")).unwrap()).unwrap();
        assert!(root.total_bytes >= root.free_bytes && root.total_bytes > 0, "{root:?}");
    }
}
