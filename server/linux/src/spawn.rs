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
    /// Open `cgroup.procs` of the group it shall live in.
    pub cgroup_procs: Option<BorrowedFd<'a>>,
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
    let procs_copy = what.cgroup_procs.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 64)).transpose()?;
    let procs = procs_copy.as_ref().map(AsRawFd::as_raw_fd);
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0(what.name).arg(what.argument).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: the closure runs between fork and exec: it calls raw system calls only, allocates nothing
    // and takes no lock; the descriptors it names stay open in this process until spawn has returned.
    unsafe { command.pre_exec(move || detach(&sources, procs)) };
    // The child exits at once, its own child goes on to exec.
    command.spawn()?.wait()?;
    drop((copies, program, procs_copy));
    Ok(())
}

fn detach(sources: &[RawFd], procs: Option<RawFd>) -> io::Result<()> {
    // SAFETY: a plain fork in a process with one thread, which the child of a fork is.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        // SAFETY: _exit only ends the process.
        _ => unsafe { libc::_exit(0) },
    }
    // SAFETY: setsid takes no memory.
    unsafe { libc::setsid() };
    if let Some(procs) = procs {
        // SAFETY: one byte of a static text.
        if unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) } != 1 {
            return Err(io::Error::last_os_error());
        }
    }
    for (target, source) in (3..).zip(sources) {
        // SAFETY: dup2 of an open descriptor on a number that nothing in this forked process uses.
        if unsafe { libc::dup2(*source, target) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
