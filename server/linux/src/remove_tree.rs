//! Deleting a tree that somebody else has written: by descriptors, never following a link, never
//! crossing into another mount; openat2(2), unlinkat(2).

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

/// Deepest tree that is walked with one descriptor a level; what lies deeper is moved up first.
const DEPTH_MAX: usize = 128;

/// Removes `name` below `dir` with everything in it; that it is not there is no error.
///
/// # Errors
/// The kernel's errno for the first entry that resisted.
pub fn remove_tree(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    match rustix::fs::unlinkat(dir, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e.into()),
    }
    let mut stack = vec![(open(dir, &name)?, name)];
    while let Some((folder, _)) = stack.last() {
        match next_folder(folder)? {
            Some(child) if stack.len() >= DEPTH_MAX => {
                // Hostile depth: hang the child on the top folder, where its turn comes later.
                let moved = CString::new(format!(".kiste-deep-{}", unique()))?;
                let (top, _) = stack.first().ok_or(io::ErrorKind::InvalidData)?;
                rustix::fs::renameat(folder, &child, top, &moved)?;
            }
            Some(child) => {
                let opened = open(folder.as_fd(), &child)?;
                stack.push((opened, child));
            }
            None => {
                let Some((_, name)) = stack.pop() else { break };
                let parent = stack.last().map_or(dir, |(fd, _)| fd.as_fd());
                rustix::fs::unlinkat(parent, &name, AtFlags::REMOVEDIR)?;
            }
        }
    }
    Ok(())
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn open(dir: BorrowedFd<'_>, name: &CString) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(rustix::fs::openat2(dir, name, flags, Mode::empty(), resolve)?)
}

/// Unlinks everything that is no folder, and gives the first folder.
fn next_folder(folder: &OwnedFd) -> io::Result<Option<CString>> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Directory => true,
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            _ => false,
        };
        if is_folder {
            return Ok(Some(name.to_owned()));
        }
        rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir_fd(path: &std::path::Path) -> OwnedFd {
        std::fs::File::open(path).unwrap().into()
    }

    #[test]
    fn a_link_in_the_tree_is_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("out/keep")).unwrap();
        std::fs::create_dir_all(dir.path().join("t/a/b")).unwrap();
        std::fs::write(dir.path().join("t/a/file"), "x").unwrap();
        std::os::unix::fs::symlink("../out", dir.path().join("t/link")).unwrap();
        remove_tree(dir_fd(dir.path()).as_fd(), "t").unwrap();
        assert!(!dir.path().join("t").exists() && dir.path().join("out/keep").exists());
        remove_tree(dir_fd(dir.path()).as_fd(), "t").unwrap();
    }

    #[test]
    fn a_very_deep_tree_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut at = dir_fd(dir.path());
        for _ in 0..600 {
            rustix::fs::mkdirat(&at, c"d", Mode::from_raw_mode(0o755)).unwrap();
            at = open(at.as_fd(), &c"d".to_owned()).unwrap();
        }
        remove_tree(dir_fd(dir.path()).as_fd(), "d").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
