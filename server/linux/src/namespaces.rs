//! Entering and leaving namespaces: unshare(2), setns(2) by pidfd, uid and gid maps.

use std::{io, os::fd::BorrowedFd};

use rustix::{
    process::Pid,
    thread::{Gid, Uid, UnshareFlags},
};

/// Namespaces a container's init is born with; the network namespace comes after the maps.
pub const CONTAINER_NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// A user namespace only.
pub const USER_NAMESPACE: u64 = libc::CLONE_NEWUSER as u64;

/// A mount namespace of this process's own.
///
/// # Errors
/// The kernel's errno.
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: a mount namespace is the whole process's affair only with several threads; callers have one.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.map_err(Into::into)
}

/// A network namespace of this process's own, owned by its user namespace.
///
/// # Errors
/// The kernel's errno.
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: no memory or descriptor table is unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.map_err(Into::into)
}

/// Joins all namespaces of the process behind a pidfd; the pid namespace holds for children only.
///
/// # Errors
/// `ESRCH` when it has ended.
pub fn join_all(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let all = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP;
    // SAFETY: no memory is passed.
    if unsafe { libc::setns(pidfd.as_raw_fd(), all) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Joins the network namespace of the process that has this id and was started at this time, in clock ticks since
/// boot; for the calling thread only, which is best ended then.
///
/// # Errors
/// `ESRCH` when it has ended, also when another one has got its id.
pub fn join_network_of(pid: i32, start_ticks: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    let pid = Pid::from_raw(pid).ok_or_else(gone)?;
    // Held first and looked at then: what is held cannot come to mean another one.
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    // The second field may hold spaces and brackets; nothing behind the last bracket does.
    let ticks =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19)?.parse().ok());
    if ticks != Some(start_ticks) {
        return Err(gone());
    }
    // SAFETY: no memory is passed.
    if unsafe { libc::setns(pidfd.as_raw_fd(), libc::CLONE_NEWNET) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Writes the id maps of a process in a fresh user namespace; `line` as in user_namespaces(7).
///
/// # Errors
/// When the process has ended or the line does not fit its namespace.
pub fn write_id_maps(pid: Pid, line: &str) -> io::Result<()> {
    let pid = pid.as_raw_nonzero();
    std::fs::write(format!("/proc/{pid}/uid_map"), line)?;
    std::fs::write(format!("/proc/{pid}/gid_map"), line)
}

/// Becomes user and group 0 of the user namespace, without supplementary groups.
///
/// # Errors
/// The kernel's errno.
pub fn become_root_inside() -> io::Result<()> {
    become_user(0, 0, &[])
}

/// Becomes a user, a group and a member of groups of the user namespace.
///
/// # Errors
/// `EINVAL` when an id is not mapped.
pub fn become_user(uid: u32, gid: u32, groups: &[Gid]) -> io::Result<()> {
    rustix::thread::set_thread_groups(groups)?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
