//! What a template that is made from a container must not keep: its identity, its secrets, its traces.
//!
//! A name that goes takes the hard links to it along: they are the same secret.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::{About, Index, Item, is_at_or_below, path};

/// Names of a kind that are told one by one; more are counted.
const TOLD_MAX: usize = 6;
/// Largest `/etc/shadow` that is understood.
const SHADOW_MAX: u64 = 1 << 20;

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    /// It stays, with nothing in it.
    Empty,
}
use Fate::{Empty, Gone};

/// Files by their whole name.
const FILES: [(&str, Fate, &str); 10] = [
    // Systemd fills an empty one at boot.
    ("etc/machine-id", Empty, "machine id"),
    ("var/lib/dbus/machine-id", Gone, "machine id"),
    ("var/lib/systemd/random-seed", Gone, "random seed"),
    ("var/lib/systemd/credential.secret", Gone, "secret of systemd"),
    ("etc/hostname", Gone, "host name"),
    ("etc/shadow-", Gone, "old passwords"),
    ("etc/gshadow-", Gone, "old passwords"),
    ("var/lib/kiste/first-boot/status", Gone, "marks of the first boot"),
    ("var/lib/kiste/first-boot/failure", Gone, "marks of the first boot"),
    ("var/lib/kiste/first-boot/output", Gone, "marks of the first boot"),
];

const APT: &str = "caches of apt";

/// Folders whose content goes.
const FOLDERS: [(&str, &str); 9] = [
    ("var/lib/kiste/first-boot/parameters", "parameters of the first boot"),
    ("var/log/journal", "logs"),
    ("var/lib/systemd/coredump", "core dumps"),
    ("var/crash", "core dumps"),
    ("var/cache/apt", APT),
    ("var/lib/apt/lists", APT),
    ("var/lib/dhcp", "leases"),
    ("tmp", "temporary files"),
    ("var/tmp", "temporary files"),
];

/// What shells and tools write down in people's folders.
const HISTORIES: [&str; 10] = [
    ".bash_history",
    ".zsh_history",
    ".ash_history",
    ".sh_history",
    ".python_history",
    ".mysql_history",
    ".mariadb_history",
    ".psql_history",
    ".lesshst",
    ".viminfo",
];

fn fate(name: &[u8], kind: u8, more: &[String]) -> Option<(Fate, &'static str)> {
    let (is_folder, is_file) = (kind == EntryType::Directory.as_byte(), kind == EntryType::Regular.as_byte());
    let below = |top: &str| name != top.as_bytes() && is_at_or_below(name, top.as_bytes());
    let is_listed = |top: &String| match top.trim_start_matches('/').strip_suffix('/') {
        Some(folder) => below(folder),
        None => is_at_or_below(name, top.trim_start_matches('/').as_bytes()),
    };
    if more.iter().any(is_listed) {
        return Some((Gone, "what the template says"));
    }
    if let Some((_, fate, what)) = FILES.iter().find(|(file, ..)| name == file.as_bytes()) {
        return Some((*fate, what));
    }
    if let Some((_, what)) = FOLDERS.iter().find(|(top, _)| below(top)) {
        // Apt misses its folders.
        return (!is_folder || *what != APT).then_some((Gone, *what));
    }
    if name.starts_with(b"etc/ssh/ssh_host_") {
        return Some((Gone, "ssh host keys"));
    }
    if let Some(log) = name.strip_prefix(b"var/log/").filter(|_| is_file) {
        return Some((if is_rotated(log) { Gone } else { Empty }, "logs"));
    }
    let in_home = name.strip_prefix(b"root/").or_else(|| {
        let rest = name.strip_prefix(b"home/")?;
        rest.iter().position(|b| *b == b'/').map(|slash| &rest[slash + 1..])
    })?;
    if in_home.starts_with(b".ssh/") {
        return Some((Gone, "ssh keys of people"));
    }
    HISTORIES.iter().any(|h| in_home == h.as_bytes()).then_some((Gone, "what people typed"))
}

fn is_rotated(log: &[u8]) -> bool {
    let last = log.rsplit(|b| *b == b'.').next().unwrap_or_default();
    last.len() < log.len()
        && (last.iter().all(u8::is_ascii_digit) || [&b"gz"[..], b"xz", b"zst", b"old"].contains(&last))
}

/// Takes it out of a tree's index; what is emptied or rewritten goes to the end of the tree's file. Gives one
/// line for each kind of thing.
pub(super) fn forget(all: &mut Index, tree: &mut File, more: &[String]) -> io::Result<Vec<String>> {
    let mut told: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut changed = BTreeMap::new();
    for (name, item) in &*all {
        let Some((fate, what)) = fate(name, item.about.kind, more) else { continue };
        let is_file = item.about.kind == EntryType::Regular.as_byte();
        let is_empty = item.about.digest == <[u8; 32]>::from(Sha256::digest(b""));
        // What is empty already, such as apt's locks, tells nobody anything.
        if is_file && is_empty && (fate == Empty || what == APT) {
            continue;
        }
        told.entry(what).or_default().push(String::from_utf8_lossy(name).into_owned());
        changed.insert(name.clone(), if is_file { fate } else { Gone });
    }
    let links: Vec<Vec<u8>> = all
        .iter()
        .filter(|(_, i)| i.about.kind == EntryType::Link.as_byte() && changed.contains_key(&i.about.target))
        .map(|(name, _)| name.clone())
        .collect();
    for name in links {
        told.entry("links to these").or_default().push(String::from_utf8_lossy(&name).into_owned());
        changed.insert(name, Gone);
    }
    for (name, fate) in changed {
        if let (Empty, Some(old)) = (fate, all.remove(&name)) {
            let emptied = append(tree, &name, &old.about, b"")?;
            all.insert(name, emptied);
        }
    }
    if lock_root(all, tree)? {
        told.entry("password of root").or_default().push("etc/shadow".into());
    }
    Ok(told.into_iter().map(|(what, names)| line(what, &names)).collect())
}

fn line(what: &str, names: &[String]) -> String {
    let shown = names.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(TOLD_MAX) {
        0 => format!("{what}: {shown}"),
        n => format!("{what}: {shown} and {n} more"),
    }
}

/// Root gets a password where a container is made: that of the other container is nobody's business.
fn lock_root(all: &mut Index, tree: &mut File) -> io::Result<bool> {
    let Some(item) = all.get(&b"etc/shadow"[..]).cloned() else { return Ok(false) };
    if item.about.kind != EntryType::Regular.as_byte() || item.end - item.start > SHADOW_MAX {
        return Ok(false);
    }
    tree.seek(SeekFrom::Start(item.start))?;
    let mut text = String::new();
    let mut archive = tar::Archive::new((&mut *tree).take(item.end - item.start));
    archive.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??.read_to_string(&mut text)?;
    let locked: Vec<String> = text
        .lines()
        .map(|line| match line.split(':').collect::<Vec<_>>().as_mut_slice() {
            fields @ ["root", ..] if fields.len() > 1 && !fields[1].starts_with(['*', '!']) => {
                fields[1] = "*";
                fields.join(":")
            }
            _ => line.to_owned(),
        })
        .collect();
    let locked = locked.iter().flat_map(|l| [l.as_str(), "\n"]).collect::<String>();
    if locked == text {
        return Ok(false);
    }
    let new = append(tree, b"etc/shadow", &item.about, locked.as_bytes())?;
    all.insert(b"etc/shadow".to_vec(), new);
    Ok(true)
}

/// A file as another one was, with other content, at the end of the tree's file.
fn append(tree: &mut File, name: &[u8], like: &About, content: &[u8]) -> io::Result<Item> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(like.mode);
    header.set_uid(like.owner.0);
    header.set_gid(like.owner.1);
    header.set_mtime(like.mtime);
    header.set_size(content.len() as u64);
    let mut entry = Builder::new(Vec::new());
    entry.append_data(&mut header, path(&[b"./", name].concat()), content)?;
    let mut bytes = entry.into_inner()?;
    // The two blocks at the end are the archive's.
    bytes.truncate(bytes.len() - 1024);
    let start = tree.seek(SeekFrom::End(0))?;
    tree.write_all(&bytes)?;
    let digest = Sha256::digest(content).into();
    let about = About { kind: EntryType::Regular.as_byte(), digest, attributes: Vec::new(), ..like.clone() };
    Ok(Item { start, end: start + bytes.len() as u64, about })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u8 = b'0';
    const FOLDER: u8 = b'5';

    #[test]
    fn identity_and_traces_go_and_work_stays() {
        for gone in [
            "etc/ssh/ssh_host_ed25519_key",
            "root/.bash_history",
            "var/lib/php/sessions/x",
            "home/anna/.ssh/id_ed25519",
            "var/log/syslog.2.gz",
            "var/log/journal/0123/system.journal",
            "var/cache/apt/pkgcache.bin",
            "var/lib/kiste/first-boot/parameters/password",
            "srv/keys/a",
        ] {
            let fate = fate(gone.as_bytes(), FILE, &["/srv/keys".into(), "/var/lib/php/sessions/".into()]);
            assert_eq!(fate.map(|f| f.0), Some(Gone), "{gone}");
        }
        for empty in ["etc/machine-id", "var/log/lastlog"] {
            assert_eq!(fate(empty.as_bytes(), FILE, &[]).map(|f| f.0), Some(Empty), "{empty}");
        }
        for kept in ["etc/ssh/sshd_config", "srv/keys2/a", "home/anna/notes", "tmp", "root/.bashrc"] {
            assert_eq!(fate(kept.as_bytes(), FILE, &["/srv/keys".into()]), None, "{kept}");
        }
        assert_eq!(fate(b"var/cache/apt/archives", FOLDER, &[]), None);
        assert_eq!(fate(b"var/log/apache2", FOLDER, &[]), None);
        assert_eq!(fate(b"var/log/README", EntryType::Symlink.as_byte(), &[]), None);
    }

    fn put(tar: &mut Builder<File>, name: &str, content: &str) {
        let mut header = Header::new_gnu();
        header.set_mode(0o640);
        header.set_uid(0);
        header.set_gid(42);
        header.set_mtime(7);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }

    #[test]
    fn links_to_a_secret_go_with_it_and_root_is_locked() {
        let mut tar = Builder::new(tempfile::tempfile().unwrap());
        put(&mut tar, "./etc/machine-id", "0123\n");
        put(&mut tar, "./etc/shadow", "root:$y$secret:1::::::\nanna:$y$hers:1::::::\n");
        put(&mut tar, "./etc/ssh/ssh_host_rsa_key", "secret");
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Link);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        header.set_size(0);
        tar.append_link(&mut header, "./srv/copy", "./etc/ssh/ssh_host_rsa_key").unwrap();
        let mut tree = tar.into_inner().unwrap();
        let mut out = tempfile::tempfile().unwrap();
        let mut none = tempfile::tempfile().unwrap();
        let told = super::super::write_own_work(&mut none, &mut tree, &mut out, 9, &[]).unwrap();
        assert!(told.iter().any(|l| l == "ssh host keys: etc/ssh/ssh_host_rsa_key"), "{told:?}");
        let left: Vec<_> = super::super::index(&mut out).unwrap().into_keys().collect();
        assert_eq!(left, [&b"etc/machine-id"[..], b"etc/shadow"]);
        assert_eq!(super::super::read_text(&mut out, b"etc/machine-id").unwrap(), "");
        let shadow = super::super::read_text(&mut out, b"etc/shadow").unwrap();
        assert_eq!(shadow, "root:*:1::::::\nanna:$y$hers:1::::::\n");
    }
}
