//! One entry after the other becomes a file, folder or link beneath the folder.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags},
    io::Errno,
};
use tar::EntryType;

use super::{Bounds, Refusal, name::Name};
use crate::layers::WHITEOUT;

/// The tree that grows.
pub(super) struct Tree {
    root: OwnedFd,
    bounds: Bounds,
    bytes: u64,
    entries: u64,
    skipped: u64,
    /// The folder that the last entry went to: archives list a folder's entries together.
    last_parent: Option<(Vec<CString>, OwnedFd)>,
    /// Folders' times, set last since every entry in them changes them.
    folder_times: Vec<(Name, i64)>,
}

/// Owner, mode and time of an entry.
struct Attributes {
    uid: Uid,
    gid: Gid,
    mode: Mode,
    mtime: i64,
    xattrs: Vec<(CString, Vec<u8>)>,
}

impl Tree {
    pub(super) fn new(root: OwnedFd, bounds: Bounds) -> Self {
        Self { root, bounds, bytes: 0, entries: 0, skipped: 0, last_parent: None, folder_times: Vec::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Adds one entry.
    pub(super) fn add<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries > self.bounds.entries {
            return Err(Refusal::TooMuch { limit: format!("{} entries", self.bounds.entries) });
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let Some(name) = self.name(&entry.path_bytes())? else { return Ok(()) };
        if name.is_whiteout() && self.bounds.parcel.is_none() {
            return self.whiteout(&name);
        }
        let is_parcel = self.bounds.parcel.is_some();
        let mut attributes = attributes(&mut entry, &name, is_parcel)?;
        if is_parcel {
            attributes.give_to_root(kind == EntryType::Directory);
        }
        match kind {
            EntryType::Directory => self.folder(&name, &attributes),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let claim = entry.size();
                self.file(&name, &attributes, claim, entry)
            }
            EntryType::Symlink => self.symlink(&name, &attributes, &link_target(&entry, &name)?),
            EntryType::Link => {
                let target = self.name(&link_target(&entry, &name)?)?;
                let target = target.ok_or_else(|| Refusal::ThroughLink(name.shown()))?;
                self.hard_link(&name, &target)
            }
            EntryType::Fifo if !name.is_below_dev() => self.fifo(&name, &attributes),
            EntryType::Char | EntryType::Block | EntryType::Fifo if name.is_below_dev() => {
                self.skipped += 1;
                Ok(())
            }
            EntryType::Char | EntryType::Block => Err(Refusal::Device(name.shown())),
            _ => Err(Refusal::UnknownKind(name.shown())),
        }
    }

    /// Sets the folders' times and gives the root back.
    pub(super) fn finish(mut self) -> Result<OwnedFd, Refusal> {
        for (name, mtime) in std::mem::take(&mut self.folder_times).into_iter().rev() {
            let done = match name.split() {
                Some((parents, last)) => {
                    let parent = self.parent(&name, parents)?;
                    rustix::fs::utimensat(parent, last, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
                }
                None => rustix::fs::futimens(&self.root, &times(mtime)),
            };
            done.map_err(|e| refuse(&name, e))?;
        }
        Ok(self.root)
    }

    /// The name in the tree; `None`: an outer folder that is dropped.
    fn name(&self, bytes: &[u8]) -> Result<Option<Name>, Refusal> {
        let name = Name::parse(bytes)?;
        Ok(match self.bounds.parcel {
            Some(folders) => name.without(folders),
            None => Some(name),
        })
    }

    fn folder(&mut self, name: &Name, attributes: &Attributes) -> Result<(), Refusal> {
        self.folder_times.push((name.clone(), attributes.mtime));
        let Some((parents, last)) = name.split() else {
            let root = self.root.as_fd();
            return attributes.apply(root, name);
        };
        let parent = self.parent(name, parents)?;
        match rustix::fs::mkdirat(parent, last, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) if kind_of(parent, last) == Some(FileType::Directory) => {}
            Err(Errno::EXIST) => return Err(Refusal::ChangedType(name.shown())),
            Err(e) => return Err(refuse(name, e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(parent, last, flags, Mode::empty()).map_err(|e| refuse(name, e))?;
        attributes.apply(folder.as_fd(), name)
    }

    fn file(
        &mut self,
        name: &Name,
        attributes: &Attributes,
        claim: u64,
        mut data: impl Read,
    ) -> Result<(), Refusal> {
        let (parents, last) = name.split().ok_or_else(|| Refusal::ChangedType(name.shown()))?;
        let left = self.bounds.bytes - self.bytes;
        let limit = model::Bytes(self.bounds.bytes);
        let too_much = || Refusal::TooMuch { limit: limit.to_string() };
        // Before a byte of it lands on the disk.
        if claim > left {
            return Err(too_much());
        }
        let parent = self.parent(name, parents)?;
        make_room(parent, last, FileType::RegularFile, name)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(parent, last, flags, Mode::RUSR | Mode::WUSR).map_err(|e| refuse(name, e))?;
        let mut file = File::from(file);
        let written = copy(&mut (&mut data).take(left + 1), &mut file, name)?;
        if written > left {
            return Err(too_much());
        }
        self.bytes += written;
        attributes.apply(file.as_fd(), name)?;
        rustix::fs::futimens(&file, &times(attributes.mtime)).map_err(|e| refuse(name, e))
    }

    /// A deletion mark becomes what overlayfs takes for one: a device without number, which anybody may make.
    fn whiteout(&mut self, name: &Name) -> Result<(), Refusal> {
        let (parents, last) = name.split().ok_or_else(|| Refusal::Name(name.shown()))?;
        let gone = last.to_bytes().strip_prefix(WHITEOUT).unwrap_or_default();
        // A folder as a whole (`.wh..wh..opq`) is marked by its entries one by one here.
        let is_plain = !gone.is_empty() && gone != b"." && gone != b".." && !gone.starts_with(WHITEOUT);
        if !self.bounds.has_whiteouts || !is_plain {
            return Err(Refusal::Whiteout(name.shown()));
        }
        let gone = CString::new(gone).map_err(|_| Refusal::Name(name.shown()))?;
        let parent = self.parent(name, parents)?;
        if kind_of(parent, &gone).is_some() {
            return Err(Refusal::ChangedType(name.shown()));
        }
        rustix::fs::mknodat(parent, gone, FileType::CharacterDevice, Mode::empty(), 0)
            .map_err(|e| refuse(name, e))
    }

    fn symlink(&mut self, name: &Name, attributes: &Attributes, target: &[u8]) -> Result<(), Refusal> {
        let (parents, last) = name.split().ok_or_else(|| Refusal::ChangedType(name.shown()))?;
        let target = CString::new(target).map_err(|_| Refusal::Name(name.shown()))?;
        let parent = self.parent(name, parents)?;
        make_room(parent, last, FileType::Symlink, name)?;
        rustix::fs::symlinkat(target, parent, last).map_err(|e| refuse(name, e))?;
        attributes.apply_to_link(parent, last, name)
    }

    fn hard_link(&mut self, name: &Name, target: &Name) -> Result<(), Refusal> {
        let through = || Refusal::ThroughLink(name.shown());
        let (target_parents, target_last) = target.split().ok_or_else(through)?;
        let from = open_parents(self.root.as_fd(), target_parents).map_err(|_| through())?;
        if kind_of(from.as_fd(), target_last) != Some(FileType::RegularFile) {
            return Err(through());
        }
        let (parents, last) = name.split().ok_or_else(through)?;
        let parent = self.parent(name, parents)?;
        make_room(parent, last, FileType::RegularFile, name)?;
        rustix::fs::linkat(&from, target_last, parent, last, AtFlags::empty()).map_err(|e| refuse(name, e))
    }

    fn fifo(&mut self, name: &Name, attributes: &Attributes) -> Result<(), Refusal> {
        let (parents, last) = name.split().ok_or_else(|| Refusal::ChangedType(name.shown()))?;
        let parent = self.parent(name, parents)?;
        make_room(parent, last, FileType::Fifo, name)?;
        rustix::fs::mknodat(parent, last, FileType::Fifo, attributes.mode, 0).map_err(|e| refuse(name, e))?;
        attributes.apply_to_link(parent, last, name)
    }

    /// The folder an entry goes to. Folders that the archive does not name are made as root's.
    fn parent(&mut self, name: &Name, parents: &[CString]) -> Result<BorrowedFd<'_>, Refusal> {
        let is_last = self.last_parent.as_ref().is_some_and(|(last, _)| last == parents);
        if !is_last {
            let folder = match open_parents(self.root.as_fd(), parents) {
                Err(Errno::NOENT) => make_parents(self.root.as_fd(), parents),
                other => other,
            };
            let folder = folder.map_err(|e| match e {
                Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Refusal::ThroughLink(name.shown()),
                e => refuse(name, e),
            })?;
            self.last_parent = Some((parents.to_vec(), folder));
        }
        let (_, folder) = self.last_parent.as_ref().ok_or_else(|| Refusal::Name(name.shown()))?;
        Ok(folder.as_fd())
    }
}

impl Attributes {
    /// Whoever packed it: root owns it, all may read it, and no rights come with it.
    fn give_to_root(&mut self, is_folder: bool) {
        let is_executable = is_folder || self.mode.contains(Mode::XUSR);
        self.uid = Uid::ROOT;
        self.gid = Gid::ROOT;
        self.mode = Mode::from_raw_mode(if is_executable { 0o755 } else { 0o644 });
        self.xattrs.clear();
    }

    fn apply(&self, file: BorrowedFd<'_>, name: &Name) -> Result<(), Refusal> {
        rustix::fs::fchown(file, Some(self.uid), Some(self.gid)).map_err(|e| refuse(name, e))?;
        rustix::fs::fchmod(file, self.mode).map_err(|e| refuse(name, e))?;
        for (key, value) in &self.xattrs {
            rustix::fs::fsetxattr(file, key, value, XattrFlags::empty()).map_err(|e| refuse(name, e))?;
        }
        Ok(())
    }

    fn apply_to_link(&self, parent: BorrowedFd<'_>, last: &CString, name: &Name) -> Result<(), Refusal> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(parent, last, Some(self.uid), Some(self.gid), flags)
            .map_err(|e| refuse(name, e))?;
        rustix::fs::utimensat(parent, last, &times(self.mtime), flags).map_err(|e| refuse(name, e))
    }
}

fn attributes<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    name: &Name,
    is_parcel: bool,
) -> Result<Attributes, Refusal> {
    let id = |id: io::Result<u64>| -> Result<u32, Refusal> {
        let id = id.map_err(Refusal::Damaged)?;
        // Whoever packed a parcel has ids of his own; nobody gets them.
        let id = if is_parcel { 0 } else { id };
        u16::try_from(id).map(u32::from).map_err(|_| Refusal::Id { name: name.shown(), id })
    };
    let header = entry.header();
    let (uid, gid) = (id(header.uid())?, id(header.gid())?);
    let mode = Mode::from_raw_mode(header.mode().map_err(Refusal::Damaged)? & 0o7777);
    let mtime = i64::try_from(header.mtime().map_err(Refusal::Damaged)?).unwrap_or(0);
    let mut xattrs = Vec::new();
    if let Some(extensions) = entry.pax_extensions().map_err(Refusal::Damaged)? {
        for extension in extensions {
            let extension = extension.map_err(Refusal::Damaged)?;
            let Some(key) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") else { continue };
            let key = CString::new(key).map_err(|_| Refusal::Name(name.shown()))?;
            let is_allowed = key.as_bytes() == b"security.capability"
                || key.as_bytes().starts_with(b"user.")
                || key.as_bytes().starts_with(b"system.posix_acl_");
            if !is_allowed {
                let attribute = key.to_string_lossy().chars().take(80).collect();
                return Err(Refusal::Attribute { name: name.shown(), attribute });
            }
            xattrs.push((key, extension.value_bytes().to_vec()));
        }
    }
    Ok(Attributes { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), mode, mtime, xattrs })
}

fn link_target<R: Read>(entry: &tar::Entry<'_, R>, name: &Name) -> Result<Vec<u8>, Refusal> {
    let target = entry.link_name_bytes().filter(|t| !t.is_empty() && t.len() <= 4095);
    target.map(std::borrow::Cow::into_owned).ok_or_else(|| Refusal::Name(name.shown()))
}

fn open_parents(root: BorrowedFd<'_>, parents: &[CString]) -> Result<OwnedFd, Errno> {
    let mut path = parents.iter().map(|c| c.as_bytes()).collect::<Vec<_>>().join(&b'/');
    if path.is_empty() {
        path.push(b'.');
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

fn make_parents(root: BorrowedFd<'_>, parents: &[CString]) -> Result<OwnedFd, Errno> {
    for depth in 1..=parents.len() {
        let (last, above) = parents[..depth].split_last().ok_or(Errno::INVAL)?;
        let folder = open_parents(root, above)?;
        match rustix::fs::mkdirat(&folder, last, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
    }
    open_parents(root, parents)
}

fn kind_of(parent: BorrowedFd<'_>, name: &CString) -> Option<FileType> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// A second entry of the same name and kind replaces the first; another kind is refused.
fn make_room(parent: BorrowedFd<'_>, last: &CString, kind: FileType, name: &Name) -> Result<(), Refusal> {
    match kind_of(parent, last) {
        None => Ok(()),
        Some(old) if old == kind => {
            rustix::fs::unlinkat(parent, last, AtFlags::empty()).map_err(|e| refuse(name, e))
        }
        Some(_) => Err(Refusal::ChangedType(name.shown())),
    }
}

fn copy(data: &mut impl Read, file: &mut File, name: &Name) -> Result<u64, Refusal> {
    let mut buffer = vec![0; 128 * 1024];
    let mut written = 0;
    loop {
        let n = data.read(&mut buffer).map_err(Refusal::Damaged)?;
        if n == 0 {
            return Ok(written);
        }
        io::Write::write_all(file, &buffer[..n]).map_err(|e| match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Refusal::DiskFull(name.shown()),
            _ => Refusal::Write(name.shown(), e),
        })?;
        written += n as u64;
    }
}

fn refuse(name: &Name, errno: Errno) -> Refusal {
    match errno {
        Errno::NOSPC | Errno::DQUOT => Refusal::DiskFull(name.shown()),
        e => Refusal::Write(name.shown(), e.into()),
    }
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
