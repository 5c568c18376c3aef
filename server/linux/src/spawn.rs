//! Starting a program from a sealed memfd, detached from this process; memfd_create(2), fcntl(2).
//!
//! The program is no child of ours afterwards: it is handed to the system's init, so that it outlives
//! us and leaves no zombie.

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::{Command, Stdio},
};

use rustix::fs::{MemfdFlags, SealFlags};

use crate::process;

/// A memfd with the given bytes that nobody can change any more.
///
/// # Errors
/// The kernel's errno.
pub fn sealed_memfd(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    std::io::Seek::rewind(&mut file)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// What to start.
#[derive(Debug)]
pub struct Detached<'a> {
    /// The program, in a memfd.
    pub program: BorrowedFd<'a>,
    /// Its name in the process list.
    pub name: &'a str,
    /// Its only argument.
    pub argument: &'a str,
    /// Descriptors that it finds at 3, 4, ...
    pub descriptors: &'a [BorrowedFd<'a>],
    /// The v2 cgroup folder it is born in. Moving it there later would cost 10 ms: a write to
    /// `cgroup.procs` waits for an RCU grace period.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Starts it; returns when its exec has succeeded.
///
/// # Errors
/// When a process could not be made or the program not be executed.
pub fn spawn_detached(what: &Detached<'_>) -> io::Result<()> {
    // Out of the way of the target numbers.
    let copies = what
        .descriptors
        .iter()
        .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 64))
        .collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<RawFd> = copies.iter().map(AsRawFd::as_raw_fd).collect();
    let program = rustix::io::fcntl_dupfd_cloexec(what.program, 64)?;
    let cgroup_copy = what.cgroup.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 64)).transpose()?;
    let cgroup = cgroup_copy.as_ref().map(AsRawFd::as_raw_fd);
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0(what.name).arg(what.argument).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: the closure runs between fork and exec: it calls raw system calls only, allocates nothing
    // and takes no lock; the descriptors it names stay open in this process until spawn has returned.
    unsafe { command.pre_exec(move || detach(&sources, cgroup)) };
    // The child exits at once, its own child goes on to exec.
    command.spawn()?.wait()?;
    drop((copies, program, cgroup_copy));
    Ok(())
}

fn detach(sources: &[RawFd], cgroup: Option<RawFd>) -> io::Result<()> {
    match process::fork_into(cgroup)? {
        0 => {}
        // SAFETY: _exit only ends the process.
        _ => unsafe { libc::_exit(0) },
    }
    // SAFETY: setsid takes no memory.
    unsafe { libc::setsid() };
    for (target, source) in (3..).zip(sources) {
        // SAFETY: dup2 of an open descriptor on a number that nothing in this forked process uses.
        if unsafe { libc::dup2(*source, target) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The program starts with all signals unblocked and at their default action, whatever this process
/// has blocked for itself; else it could not be ended by SIGTERM.
pub fn with_default_signals(command: &mut Command) -> &mut Command {
    // SAFETY: the closure runs between fork and exec and only calls signal functions that are safe there.
    unsafe {
        command.pre_exec(|| {
            crate::process::reset_signals();
            Ok(())
        })
    }
}
