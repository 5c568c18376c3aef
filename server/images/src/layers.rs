//! One tree as layers: what a tree has that the one below has not, and layers as one tree again.
//!
//! Both work on tar files and copy entries byte for byte, so that a layer is as reproducible as the tree it
//! is taken from. Deletions are OCI whiteouts: an empty file `.wh.NAME` (image-spec, layer.md). An overlay
//! takes owner and mode of a folder from the uppermost layer that has it: a layer holds every folder above
//! what it holds.

mod forget;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

/// Size of tar's blocks.
const BLOCK: u64 = 512;
/// Most of a text that is read.
const TEXT_MAX: u64 = 1 << 16;
/// Beginning of a deletion mark's name.
pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// An entry, by what makes it differ from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct About {
    kind: u8,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    /// Of a link.
    target: Vec<u8>,
    /// Of a file's content.
    digest: [u8; 32],
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Where an entry lies in its file, with all that belongs to it, and what it is.
#[derive(Debug, Clone)]
struct Item {
    start: u64,
    end: u64,
    about: About,
}

/// A tar file's entries by name, without `./` in front; the last one of a name counts.
type Index = BTreeMap<Vec<u8>, Item>;

fn index(file: &mut File) -> io::Result<Index> {
    file.rewind()?;
    let mut index = Index::new();
    let mut end = 0;
    let mut archive = Archive::new(io::BufReader::with_capacity(1 << 20, &*file));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let start = end;
        end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK);
        let name = plain(&entry.path_bytes());
        let about = about(&mut entry)?;
        // Devices are the runtime's, in every container.
        if !name.starts_with(b"dev/") {
            index.insert(name, Item { start, end, about });
        }
    }
    Ok(index)
}

fn plain(name: &[u8]) -> Vec<u8> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    name.strip_suffix(b"/").unwrap_or(name).to_vec()
}

fn about(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<About> {
    let mut attributes = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            if extension.key_bytes().starts_with(b"SCHILY.xattr.") {
                attributes.push((extension.key_bytes().to_vec(), extension.value_bytes().to_vec()));
            }
        }
    }
    attributes.sort();
    let target = entry.link_name_bytes().map(|t| t.into_owned()).unwrap_or_default();
    let header = entry.header();
    let (kind, mode, mtime) = (header.entry_type(), header.mode()?, header.mtime()?);
    let owner = (header.uid()?, header.gid()?);
    let target = if kind == EntryType::Link { plain(&target) } else { target };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match entry.read(&mut buffer)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    let digest = hasher.finalize().into();
    Ok(About { kind: kind.as_byte(), mode, owner, mtime, target, digest, attributes })
}

/// The text of a file in a tar file of a tree, by its name without `./`; of a link, where it leads to is not
/// followed.
///
/// # Errors
/// When there is no such file.
pub(crate) fn read_text(tree: &mut File, name: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    tree.rewind()?;
    let mut archive = Archive::new(io::BufReader::new(tree));
    for entry in archive.entries()? {
        let entry = entry?;
        if plain(&entry.path_bytes()) == name && entry.header().entry_type() == EntryType::Regular {
            entry.take(TEXT_MAX).read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Writes to `out` what `tree` has on top of `parent`, both tar files of whole trees. Marks bear the date.
///
/// # Errors
/// When a file is no tar, or cannot be read or written.
pub(crate) fn write_difference(
    parent: &mut File,
    tree: &mut File,
    out: impl Write,
    date: u64,
) -> io::Result<()> {
    write_changes(&index(parent)?, &index(tree)?, tree, out, date)
}

/// As [`write_difference`], for a tree that people have worked in: what must not go on to others stays behind
/// ([`forget`]), and so does all at or below the paths in `more`. Gives what that was, for people.
///
/// # Errors
/// As [`write_difference`].
pub(crate) fn write_own_work(
    parent: &mut File,
    tree: &mut File,
    out: impl Write,
    date: u64,
    more: &[String],
) -> io::Result<Vec<String>> {
    let mut all = index(tree)?;
    let forgotten = forget::forget(&mut all, tree, more)?;
    write_changes(&index(parent)?, &all, tree, out, date)?;
    Ok(forgotten)
}

fn write_changes(below: &Index, all: &Index, tree: &mut File, out: impl Write, date: u64) -> io::Result<()> {
    let mut changed: BTreeSet<&[u8]> = all
        .iter()
        .filter(|(name, item)| below.get(*name).is_none_or(|old| old.about != item.about))
        .map(|(name, _)| name.as_slice())
        .collect();
    take_links_together(all, &mut changed);
    let marks: Vec<&[u8]> = below
        .keys()
        .filter(|name| !all.contains_key(*name) && parents(name).all(|p| is_folder(all, p)))
        .map(Vec::as_slice)
        .collect();
    let above: Vec<&[u8]> = changed.iter().chain(&marks).flat_map(|name| parents(name)).collect();
    changed.extend(above.into_iter().filter(|p| all.contains_key(*p)));
    if let Some((root, _)) = all.get_key_value(&b""[..]).or(all.get_key_value(&b"."[..])) {
        changed.insert(root);
    }
    let mut items: Vec<&Item> = changed.iter().filter_map(|name| all.get(*name)).collect();
    items.sort_by_key(|item| item.start);
    let mut out = Builder::new(out);
    for item in items {
        copy_range(tree, item, out.get_mut())?;
    }
    for name in marks {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(date);
        header.set_size(0);
        out.append_data(&mut header, path(&mark(name)), io::empty())?;
    }
    out.into_inner()?.flush()
}

/// Names of one file go together: a link in a layer needs the file that it names in the same layer.
fn take_links_together<'a>(all: &'a Index, changed: &mut BTreeSet<&'a [u8]>) {
    let links = all.iter().filter(|(_, item)| item.about.kind == EntryType::Link.as_byte());
    let mut groups: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for (name, item) in links {
        groups.entry(&item.about.target).or_default().push(name);
    }
    for (target, names) in groups {
        if changed.contains(target) || names.iter().any(|n| changed.contains(n)) {
            changed.insert(target);
            changed.extend(names);
        }
    }
}

/// The folders above a name, nearest first; not the root.
fn parents(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let cut = rest.iter().rposition(|b| *b == b'/')?;
        rest = &rest[..cut];
        Some(rest)
    })
}

fn is_folder(all: &Index, name: &[u8]) -> bool {
    all.get(name).is_some_and(|item| item.about.kind == EntryType::Directory.as_byte())
}

fn mark(name: &[u8]) -> Vec<u8> {
    let cut = name.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    [b"./", &name[..cut], WHITEOUT, &name[cut..]].concat()
}

fn path(name: &[u8]) -> &std::path::Path {
    std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name))
}

fn copy_range(from: &mut File, item: &Item, out: &mut impl Write) -> io::Result<()> {
    from.seek(SeekFrom::Start(item.start))?;
    let length = item.end - item.start;
    if io::copy(&mut from.take(length), out)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Writes layers, base first, to `out` as the one tree that they make.
///
/// # Errors
/// As [`write_difference`].
pub(crate) fn write_merged(layers: &mut [File], out: impl Write) -> io::Result<()> {
    let mut merged: BTreeMap<Vec<u8>, (usize, Item)> = BTreeMap::new();
    for (number, layer) in layers.iter_mut().enumerate() {
        for (name, item) in index(layer)? {
            let cut = name.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
            if let Some(last) = name[cut..].strip_prefix(WHITEOUT) {
                let gone = [&name[..cut], last].concat();
                merged.retain(|n, (from, _)| *from == number || !is_at_or_below(n, &gone));
                continue;
            }
            if item.about.kind != EntryType::Directory.as_byte() {
                // What is no folder hides all that lay below the folder of that name.
                merged.retain(|n, (from, _)| *from == number || !is_at_or_below(n, &name));
            }
            merged.insert(name, (number, item));
        }
    }
    // Folders ahead of all, from the top down: a later layer may have changed one that an earlier one fills.
    let is_file = |item: &Item| item.about.kind != EntryType::Directory.as_byte();
    let folders = merged.values().filter(|(_, item)| !is_file(item));
    let mut files: Vec<&(usize, Item)> = merged.values().filter(|(_, item)| is_file(item)).collect();
    // In every layer what a link names comes before the link.
    files.sort_by_key(|(number, item)| (*number, item.start));
    let ordered: Vec<&(usize, Item)> = folders.chain(files).collect();
    let mut out = Builder::new(out);
    for (number, item) in ordered {
        copy_range(&mut layers[*number], item, out.get_mut())?;
    }
    out.into_inner()?.flush()
}

fn is_at_or_below(name: &[u8], top: &[u8]) -> bool {
    name.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Kind<'a> {
        Folder,
        File(&'a str),
        Link(&'a str),
        Symlink(&'a str),
    }
    use Kind::{File as F, Folder as D, Link as L, Symlink as S};

    fn tree(entries: &[(&str, Kind<'_>)]) -> File {
        let mut tar = Builder::new(tempfile::tempfile().unwrap());
        for (name, kind) in entries {
            let mut header = Header::new_gnu();
            header.set_mode(0o755);
            header.set_mtime(7);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            match kind {
                D => {
                    header.set_entry_type(EntryType::Directory);
                    tar.append_data(&mut header, format!("./{name}/"), io::empty()).unwrap();
                }
                F(text) => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_size(text.len() as u64);
                    tar.append_data(&mut header, format!("./{name}"), text.as_bytes()).unwrap();
                }
                L(target) => {
                    header.set_entry_type(EntryType::Link);
                    tar.append_link(&mut header, format!("./{name}"), format!("./{target}")).unwrap();
                }
                S(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    tar.append_link(&mut header, format!("./{name}"), target).unwrap();
                }
            }
        }
        tar.into_inner().unwrap()
    }

    fn names(file: &mut File) -> Vec<String> {
        index(file).unwrap().keys().map(|n| String::from_utf8(n.clone()).unwrap()).collect()
    }

    fn difference(parent: &mut File, tree: &mut File) -> File {
        let mut out = tempfile::tempfile().unwrap();
        write_difference(parent, tree, &mut out, 9).unwrap();
        out
    }

    fn about_all(file: &mut File) -> Vec<(String, About)> {
        let all = index(file).unwrap().into_iter();
        all.map(|(n, item)| (String::from_utf8(n).unwrap(), item.about)).collect()
    }

    #[test]
    fn a_layer_holds_what_differs_its_folders_and_marks() {
        let mut parent = tree(&[
            ("etc", D),
            ("etc/a", F("1")),
            ("etc/b", F("1")),
            ("etc/old", D),
            ("etc/old/x", F("1")),
            ("usr", D),
            ("usr/same", F("1")),
            ("dev", D),
            ("dev/null", F("")),
        ]);
        let mut child = tree(&[
            ("etc", D),
            ("etc/a", F("2")),
            ("etc/b", F("1")),
            ("usr", D),
            ("usr/same", F("1")),
            ("var", D),
            ("var/new", S("../etc/a")),
            ("dev", D),
        ]);
        let mut layer = difference(&mut parent, &mut child);
        assert_eq!(names(&mut layer), ["etc", "etc/.wh.old", "etc/a", "var", "var/new"]);
        let mut merged = tempfile::tempfile().unwrap();
        write_merged(&mut [parent, layer], &mut merged).unwrap();
        assert_eq!(about_all(&mut merged), about_all(&mut child));
    }

    #[test]
    fn links_go_with_the_file_they_name() {
        let mut parent = tree(&[("a", F("1")), ("b", L("a")), ("c", F("1"))]);
        let mut child = tree(&[("a", F("1")), ("b", L("a")), ("c", F("1")), ("d", L("a"))]);
        assert_eq!(names(&mut difference(&mut parent, &mut child)), ["a", "b", "d"]);
        let mut same = tree(&[("a", F("1")), ("b", L("a")), ("c", F("1"))]);
        assert_eq!(names(&mut difference(&mut parent, &mut same)), Vec::<String>::new());
    }

    #[test]
    fn a_folder_that_became_a_file_takes_its_content_with_it() {
        let mut parent = tree(&[("a", D), ("a/x", F("1")), ("b", F("1"))]);
        let mut child = tree(&[("a", F("now")), ("b", D), ("b/y", F("2"))]);
        let mut layer = difference(&mut parent, &mut child);
        assert_eq!(names(&mut layer), ["a", "b", "b/y"]);
        let mut merged = tempfile::tempfile().unwrap();
        write_merged(&mut [parent, layer], &mut merged).unwrap();
        assert_eq!(about_all(&mut merged), about_all(&mut child));
    }

    #[test]
    fn the_same_trees_give_the_same_bytes() {
        let read = || {
            let mut layer = difference(&mut tree(&[("a", F("1"))]), &mut tree(&[("b", F("1"))]));
            let mut bytes = Vec::new();
            layer.rewind().unwrap();
            layer.read_to_end(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(read(), read());
    }
}
