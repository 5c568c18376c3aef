//! Putting settings into a tree that does not run, from inside the container's namespaces.
//!
//! The child has the container's ids, a mount namespace whose root is the tree, and nothing else: a
//! path it opens, through whatever symbolic link, ends inside the tree. It may allocate, since the
//! shim is single-threaded.

mod network;

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
    path::Path,
};

use linux::{
    mount,
    namespaces::{self, CONTAINER_NAMESPACES},
    process::{self, CloneArgs, Cloned, SingleThreaded},
    rights,
};
use model::{Hostname, file_template::MadeFile};
use protocol::shim::{Injection, ShimPlan};
use rustix::fs::OFlags;

use crate::{
    failure::{At, Failure},
    launch::reap,
    tree::Tree,
};

/// Largest file that is rewritten.
const FILE_MAX: u64 = 1024 * 1024;

/// Puts the settings in.
pub(crate) fn inject(
    proof: SingleThreaded,
    plan: &ShimPlan,
    tree: &Tree,
    injections: &[Injection],
) -> Result<(), Failure> {
    tree.enter()?;
    let (ours, theirs) = rights::packet_pair().at("make a socket pair")?;
    let args = CloneArgs { namespaces: CONTAINER_NAMESPACES, ..CloneArgs::default() };
    match process::clone_process(proof, args).at("clone a worker")? {
        Cloned::Child => {
            drop(ours);
            let result = enter(theirs.as_fd()).and_then(|()| injections.iter().try_for_each(apply));
            let mut bytes = Vec::new();
            if let Err(failure) = result {
                bytes.extend(failure.errno().to_ne_bytes());
                bytes.extend(failure.step().as_bytes());
            }
            let _ = rights::send(theirs.as_fd(), if bytes.is_empty() { b"D" } else { &bytes }, &[]);
            process::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let result = namespaces::write_id_maps(pid, &plan.id_map.map_line())
                .at("write the id maps")
                .and_then(|()| {
                    rights::send(ours.as_fd(), b"G", &[]).at("tell the worker to go on")?;
                    let mut bytes = [0; 128];
                    let (n, _) = rights::receive(ours.as_fd(), &mut bytes).at("wait for the worker")?;
                    if &bytes[..n] == b"D" { Ok(()) } else { Err(Failure::from_child(&bytes[..n])) }
                });
            drop(ours);
            reap(pidfd.as_fd());
            result
        }
    }
}

fn enter(socket: std::os::fd::BorrowedFd<'_>) -> Result<(), Failure> {
    let mut word = [0; 1];
    let (n, _) = rights::receive(socket, &mut word).at("listen to the shim")?;
    if n == 0 {
        process::exit_now(126);
    }
    namespaces::become_root_inside().at("become root inside")?;
    mount::make_root_slave().at("separate mounts")?;
    mount::enter_copy_of_current_folder().at("enter the tree")?;
    mount::pivot_to_current_folder().at("pivot into the tree")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

fn apply(injection: &Injection) -> Result<(), Failure> {
    match injection {
        Injection::Hostname(name) => set_hostname(name).at("set the host name"),
        Injection::Network(ip) => network::set(ip).at("set up the network"),
        Injection::RootPassword(hash) => set_password(hash).at("set the root password"),
        Injection::SshKeys(keys) => set_ssh_keys(keys).at("set the ssh keys"),
        Injection::Parameters(values) => set_parameters(values).at("hand over the parameters"),
        Injection::Files(files) => files.iter().try_for_each(set_file).at("make the template's files"),
        Injection::Inithooks(variables) => set_inithooks(variables).at("write /etc/inithooks.conf"),
    }
}

/// Writes beside the file and renames, so that it is never half there; a link in its place is replaced.
fn replace(path: &str, mode: u32, content: &str) -> io::Result<()> {
    let beside = format!("{path}.kiste-new");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, path)
}

fn read_bounded(path: &str) -> io::Result<String> {
    // An image may hold a pipe in this place: opening it must not wait for a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.len() > FILE_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn set_hostname(name: &Hostname) -> io::Result<()> {
    fs::create_dir_all("/etc")?;
    replace("/etc/hostname", 0o644, &format!("{name}\n"))?;
    let short = name.as_str().split('.').next().unwrap_or_default();
    let names = if short == name.as_str() { short.to_owned() } else { format!("{name} {short}") };
    let hosts = format!(
        "127.0.0.1\tlocalhost\n127.0.1.1\t{names}\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
    );
    replace("/etc/hosts", 0o644, &hosts)
}

fn set_password(hash: &str) -> io::Result<()> {
    if hash.contains([':', '\n']) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let shadow = read_bounded("/etc/shadow")?;
    let mut found = false;
    let lines =
        shadow.lines().map(|line| match line.strip_prefix("root:").and_then(|rest| rest.split_once(':')) {
            Some((_, rest)) => {
                found = true;
                format!("root:{hash}:{rest}\n")
            }
            None => format!("{line}\n"),
        });
    let new: String = lines.collect();
    if !found {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mode = fs::metadata("/etc/shadow")?.permissions().mode() & 0o777;
    let group = std::os::unix::fs::MetadataExt::gid(&fs::metadata("/etc/shadow")?);
    replace("/etc/shadow", mode, &new)?;
    std::os::unix::fs::chown("/etc/shadow", Some(0), Some(group))
}

fn set_ssh_keys(keys: &str) -> io::Result<()> {
    let folder = Path::new("/root/.ssh");
    if !folder.is_dir() {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    }
    let old = read_bounded("/root/.ssh/authorized_keys").unwrap_or_default();
    let mut text = old;
    for key in keys.lines().map(str::trim).filter(|k| !k.is_empty()) {
        if !text.lines().any(|l| l == key) {
            text.push_str(key);
            text.push('\n');
        }
    }
    replace("/root/.ssh/authorized_keys", 0o600, &text)
}

/// One file a value, so that no value is ever read as a script. The first boot takes them away.
fn set_parameters(values: &BTreeMap<String, String>) -> io::Result<()> {
    let folder = "/var/lib/kiste/first-boot/parameters";
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    for (name, value) in values {
        if name.contains(['/', '.']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        replace(&format!("{folder}/{name}"), 0o600, value)?;
    }
    Ok(())
}

/// Variables for a shell, which root's scripts read and then empty. Within single quotes only a single quote means
/// anything (POSIX, 2.2.2 of its shell command language).
fn set_inithooks(variables: &BTreeMap<String, String>) -> io::Result<()> {
    let is_name =
        |name: &String| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !variables.keys().all(is_name) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let line =
        |(name, value): (&String, &String)| format!("export {name}='{}'\n", value.replace('\'', "'\\''"));
    replace("/etc/inithooks.conf", 0o600, &variables.iter().map(line).collect::<String>())
}

/// A file of the template's, with the folders on the way; what is there may stay, if it says so.
fn set_file(file: &MadeFile) -> io::Result<()> {
    if file.is_create_only && fs::symlink_metadata(&file.path).is_ok() {
        return Ok(());
    }
    if let Some(folder) = Path::new(&file.path).parent() {
        fs::create_dir_all(folder)?;
    }
    replace(&file.path, file.mode.into(), &file.text)?;
    std::os::unix::fs::chown(&file.path, Some(file.uid.into()), Some(file.gid.into()))
}
