//! Starting a program that has no right on the host: a user id of its own, no capability, no way to
//! get one; credentials(7), prctl(2).
//!
//! It ends with this process: the parent-death signal is set after the change of the user id (which
//! would clear it), and comes when the *thread* that spawned it ends, so spawn from one that stays.

use std::{
    ffi::CStr,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command},
};

use rustix::process::{Pid, Signal};

use crate::{capabilities, process};

/// Starts `command` as `uid` (also its group); it finds `descriptors` at 3, 4, ...
///
/// # Errors
/// When a process could not be made or the program not be executed.
pub fn spawn(command: &mut Command, uid: u32, descriptors: &[BorrowedFd<'_>]) -> io::Result<Child> {
    // Out of the way of the target numbers.
    let copies = descriptors
        .iter()
        .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 64))
        .collect::<Result<Vec<OwnedFd>, _>>()?;
    let sources: Vec<i32> = copies.iter().map(AsRawFd::as_raw_fd).collect();
    let parent = rustix::process::getpid();
    // SAFETY: the closure runs between fork and exec: it calls system calls only, allocates nothing and
    // takes no lock; the descriptors it names stay open in this process until spawn has returned.
    unsafe { command.pre_exec(move || drop_rights(uid, &sources, parent)) };
    let child = command.spawn()?;
    drop(copies);
    Ok(child)
}

/// The program's half: takes a name, gives the descriptors it was started with, from 3 on. Its memory is closed to other
/// processes of the same user from here on.
///
/// # Errors
/// `EBADF` when fewer were given.
pub fn inherited<const N: usize>(name: &CStr) -> io::Result<[OwnedFd; N]> {
    // Started by descriptor, it would be called by a number in the list of processes.
    rustix::thread::set_name(name)?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let mut taken = Vec::with_capacity(N);
    for number in (3..).take(N) {
        // SAFETY: F_SETFD takes a number and fails on one that is not open.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is open, as was just seen, and whoever started this program gave it for this; a
        // second call would find the same numbers, so this is called once, first thing in `main`.
        taken.push(unsafe { OwnedFd::from_raw_fd(number) });
    }
    taken.try_into().map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn drop_rights(uid: u32, sources: &[i32], parent: Pid) -> io::Result<()> {
    process::reset_signals();
    for (target, source) in (3..).zip(sources) {
        // SAFETY: dup2 of an open descriptor on a number that nothing in this forked process uses.
        if unsafe { libc::dup2(*source, target) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // Away from the terminal's signals: it ends when its parent says so.
    // SAFETY: setsid takes no memory.
    unsafe { libc::setsid() };
    capabilities::limit_to(0)?;
    // The C library's calls would change all threads by a signal; the system calls change this only one.
    // SAFETY: an empty list of groups: the pointer is not read.
    check(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) })?;
    // SAFETY: setresgid takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresgid, uid, uid, uid) })?;
    // SAFETY: setresuid takes numbers only. It empties all capability sets: none of the ids is 0 then.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        // It died before the signal was set.
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read, Write},
        os::fd::AsFd,
        process::Stdio,
    };

    use super::*;

    #[test]
    fn the_program_has_its_own_user_no_capability_and_its_descriptors() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED (needs root)");
            assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "a skip is a failure here");
            return;
        }
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        File::from(writer).write_all(b"through the pipe\n").unwrap();
        let mut command = Command::new("/bin/sh");
        let script = "cat <&3; id -u; id -g; id -G; grep -E '^(Cap|NoNewPrivs)' /proc/self/status";
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut child = spawn(&mut command, 1_879_100_000, &[reader.as_fd()]).unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success());
        let id = "1879100000\n";
        assert!(text.starts_with(&format!("through the pipe\n{id}{id}{id}")), "{text}");
        assert_eq!(text.matches("\t0000000000000000").count(), 5, "{text}");
        assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    }
}
