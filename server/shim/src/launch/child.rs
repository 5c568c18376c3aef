//! Launching init: the child's side, from clone to exec.
//!
//! Nothing here allocates, takes a lock or logs: every text and descriptor was prepared before the
//! clone. Targets of mounts are resolved by descriptor, since the tree may hold any symbolic link.
//! A failure is sent as errno and step; see `launch`'s header for the conversation.

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use linux::{capabilities, mount, namespaces, process, pty, rights, rtnetlink, seccomp_load};
use protocol::shim::ShimPlan;
use rustix::{
    fs::{CWD, FileType, Mode, OFlags},
    mount::MountAttrFlags,
};

use super::{CONSOLE, Cgroups, GO, NETNS};
use crate::failure::{At, Failure};

/// The step whose failure is about the container's init itself.
pub(super) const EXEC_STEP: &str = "exec init";

/// What the child needs, prepared.
pub(super) struct Work<'a> {
    pub(super) argv: process::ExecStrings,
    pub(super) env: process::ExecStrings,
    pub(super) plan: &'a ShimPlan,
    pub(super) cgroups: &'a Cgroups,
}

/// Turns this process into the container's init.
pub(super) fn become_init(work: &Work<'_>, socket: BorrowedFd<'_>) -> ! {
    let Err(failure) = prepare(work, socket).and_then(|()| exec(work));
    let mut bytes = [0; 128];
    let step = failure.step().as_bytes();
    let end = (4 + step.len()).min(bytes.len());
    bytes[..4].copy_from_slice(&failure.errno().to_ne_bytes());
    bytes[4..end].copy_from_slice(&step[..end - 4]);
    let _ = rights::send(socket, &bytes[..end], &[]);
    process::exit_now(127)
}

fn exec(work: &Work<'_>) -> Result<std::convert::Infallible, Failure> {
    Err(process::exec(work.argv.first(), &work.argv, &work.env)).at(EXEC_STEP)
}

fn prepare(work: &Work<'_>, socket: BorrowedFd<'_>) -> Result<(), Failure> {
    settle(work, socket)?;
    // Closed for good, not just flagged: init's path is the container's, and a link in it could lead
    // through /proc/self/fd to a folder of the host.
    process::close_all_but(socket).at("close descriptors")?;
    wait_for_go(socket)?;
    shed_rights(work.plan)
}

/// Everything that needs descriptors.
fn settle(work: &Work<'_>, socket: BorrowedFd<'_>) -> Result<(), Failure> {
    join_v1(work.cgroups)?;
    wait_for_go(socket)?;
    namespaces::become_root_inside().at("become root inside")?;
    namespaces::unshare_network().at("make a network namespace")?;
    rights::send(socket, NETNS, &[]).at("report the network namespace")?;
    rtnetlink::loopback_up().at("set loopback up")?;

    mount::make_root_slave().at("separate mounts")?;
    let root = mount::enter_copy_of_current_folder().at("enter the tree")?;
    mount_kernel_filesystems(&root)?;
    let (dev, devpts) = mount_dev(&root)?;
    mount_run(&root)?;
    let (master, slave) = make_console(&dev, &devpts)?;
    rights::send(socket, CONSOLE, &[master.as_fd(), devpts.as_fd()]).at("hand over the console")?;
    mount::pivot_to_current_folder().at("pivot into the tree")?;
    mount::make_root_shared().at("share the root")?;
    rustix::system::sethostname(work.plan.hostname.as_str().as_bytes()).at("set the host name")?;

    process::reset_signals();
    process::join_new_session_keyring();
    process::adopt_terminal(slave.as_fd()).at("take the console")
}

/// Drops capabilities and loads the system call filter, the same for init and every command.
pub(crate) fn shed_rights(plan: &ShimPlan) -> Result<(), Failure> {
    capabilities::limit_to(plan.capabilities).at("drop capabilities")?;
    if !plan.seccomp.is_empty() {
        seccomp_load::load(&plan.seccomp).at("load the system call filter")?;
    }
    Ok(())
}

/// Writing 0 to a `tasks` file moves the writer; the kernel checks who opened it, not who writes.
pub(crate) fn join_v1(cgroups: &Cgroups) -> Result<(), Failure> {
    for tasks in &cgroups.v1_tasks {
        rustix::io::write(tasks, b"0").at("join a v1 cgroup")?;
    }
    Ok(())
}

fn wait_for_go(socket: BorrowedFd<'_>) -> Result<(), Failure> {
    let mut word = [0; 1];
    match rights::receive(socket, &mut word) {
        Ok((1, _)) if word == GO => Ok(()),
        // The shim has died or given up: nobody is left to hear of it.
        _ => process::exit_now(126),
    }
}

fn mount_kernel_filesystems(root: &OwnedFd) -> Result<(), Failure> {
    let attributes = mount::NOSUID_NODEV_NOEXEC;
    let proc = mount::new_filesystem(c"proc", &[], attributes).at("make /proc")?;
    place(root, c"proc", &proc, "mount /proc")?;
    // Read-only sysfs keeps udev out of the container; systemd asks for it.
    let sysfs = mount::new_filesystem(c"sysfs", &[], attributes | MountAttrFlags::MOUNT_ATTR_RDONLY)
        .at("make /sys")?;
    place(root, c"sys", &sysfs, "mount /sys")?;
    let cgroup = mount::new_filesystem(c"cgroup2", &[], attributes).at("make /sys/fs/cgroup")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let target = mount::open_beneath(sysfs.as_fd(), c"fs/cgroup", flags).at("open /sys/fs/cgroup")?;
    mount::attach(cgroup.as_fd(), target.as_fd()).at("mount /sys/fs/cgroup")
}

fn place(dir: &OwnedFd, name: &CStr, filesystem: &OwnedFd, step: &'static str) -> Result<(), Failure> {
    let target = mount::ensure_folder(dir.as_fd(), name, 0o755).at(step)?;
    mount::attach(filesystem.as_fd(), target.as_fd()).at(step)
}

/// A fresh /dev; gives it and its devpts.
fn mount_dev(root: &OwnedFd) -> Result<(OwnedFd, OwnedFd), Failure> {
    let nosuid = MountAttrFlags::MOUNT_ATTR_NOSUID;
    let options = [(c"mode", c"755"), (c"size", c"1m"), (c"nr_inodes", c"1024")];
    let dev = mount::new_filesystem(c"tmpfs", &options, nosuid).at("make /dev")?;
    place(root, c"dev", &dev, "mount /dev")?;
    for (name, host, number) in [
        (c"null", c"/dev/null", (1, 3)),
        (c"zero", c"/dev/zero", (1, 5)),
        (c"full", c"/dev/full", (1, 7)),
        (c"random", c"/dev/random", (1, 8)),
        (c"urandom", c"/dev/urandom", (1, 9)),
        (c"tty", c"/dev/tty", (5, 0)),
    ] {
        bind_device(&dev, name, host, number)?;
    }
    let noexec = nosuid | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [(c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", c"5"), (c"max", c"1024")];
    let devpts = mount::new_filesystem(c"devpts", &options, noexec).at("make /dev/pts")?;
    place(&dev, c"pts", &devpts, "mount /dev/pts")?;
    let shm =
        mount::new_filesystem(c"tmpfs", &[(c"mode", c"1777")], nosuid | MountAttrFlags::MOUNT_ATTR_NODEV)
            .at("make /dev/shm")?;
    place(&dev, c"shm", &shm, "mount /dev/shm")?;
    let mqueue = mount::new_filesystem(c"mqueue", &[], mount::NOSUID_NODEV_NOEXEC).at("make /dev/mqueue")?;
    place(&dev, c"mqueue", &mqueue, "mount /dev/mqueue")?;
    for (target, name) in [
        (c"pts/ptmx", c"ptmx"),
        (c"/proc/self/fd", c"fd"),
        (c"/proc/self/fd/0", c"stdin"),
        (c"/proc/self/fd/1", c"stdout"),
        (c"/proc/self/fd/2", c"stderr"),
    ] {
        rustix::fs::symlinkat(target, &dev, name).at("fill /dev")?;
    }
    Ok((dev, devpts))
}

fn bind_device(dev: &OwnedFd, name: &CStr, host: &CStr, (major, minor): (u32, u32)) -> Result<(), Failure> {
    let node = mount::copy_tree(CWD, host).at("open a device of the host")?;
    let stat = rustix::fs::fstat(&node).at("look at a device of the host")?;
    let is_it = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (major, minor);
    if !is_it {
        return Err(Failure::plain("check a device of the host"));
    }
    let target = mount::ensure_file(dev.as_fd(), name).at("fill /dev")?;
    mount::attach(node.as_fd(), target.as_fd()).at("bind a device")
}

fn mount_run(root: &OwnedFd) -> Result<(), Failure> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let run = mount::new_filesystem(c"tmpfs", &[(c"mode", c"755")], attributes).at("make /run")?;
    place(root, c"run", &run, "mount /run")?;
    let host = mount::ensure_folder(run.as_fd(), c"host", 0o755).at("fill /run/host")?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&host, c"container-manager", flags, Mode::from_raw_mode(0o444))
        .at("fill /run/host")?;
    rustix::io::write(&file, b"kiste\n").at("fill /run/host").map(|_| ())
}

/// The console is a pty of the container's own devpts, bound on /dev/console.
fn make_console(dev: &OwnedFd, devpts: &OwnedFd) -> Result<(OwnedFd, OwnedFd), Failure> {
    let (master, slave) = pty::open_pair(devpts.as_fd()).at("open the console")?;
    // First pty of a fresh instance, so it is number 0.
    let node = mount::copy_tree(devpts.as_fd(), c"0").at("find the console's node")?;
    let target = mount::ensure_file(dev.as_fd(), c"console").at("make /dev/console")?;
    mount::attach(node.as_fd(), target.as_fd()).at("bind /dev/console")?;
    Ok((master, slave))
}
