//! Processes: clone3(2), exec, signals, what a child must shed before it becomes somebody else.
//!
//! Between clone and exec nothing here allocates or takes a lock. Cloning wants proof that the process
//! has one thread, since a lock held by another thread would stay locked in the child for ever.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use rustix::process::Pid;

/// Proof that this process has one thread. It stays true because only the holder's own code could start one.
#[derive(Debug, Clone, Copy)]
pub struct SingleThreaded(());

impl SingleThreaded {
    /// Counts the threads in `/proc/self/task`.
    ///
    /// # Errors
    /// When there is more than one, or /proc cannot be read.
    pub fn prove() -> io::Result<Self> {
        match std::fs::read_dir("/proc/self/task")?.count() {
            1 => Ok(Self(())),
            n => Err(io::Error::other(format!("this process has {n} threads, it must have one to clone"))),
        }
    }
}

/// Namespaces and place of a new process.
#[derive(Debug, Clone, Copy, Default)]
pub struct CloneArgs<'a> {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// The cgroup v2 folder it is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Make it the caller's sibling, so that the caller's parent reaps it (`CLONE_PARENT`).
    pub is_sibling: bool,
}

/// libc's constant is an `int` and overflows.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The new process.
    Child,
    /// The old one, with a handle on the new.
    Parent {
        /// Its id as the caller's pid namespace knows it.
        pid: Pid,
        /// Its handle.
        pidfd: OwnedFd,
    },
}

/// clone3(2) without shared memory: a fork with namespaces and a pidfd.
///
/// # Errors
/// The kernel's errno.
pub fn clone_process(_proof: SingleThreaded, args: CloneArgs<'_>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut raw = plain_fork(args.cgroup.map(|fd| fd.as_raw_fd()));
    raw.flags |= args.namespaces | libc::CLONE_PIDFD as u64;
    raw.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    if args.is_sibling {
        // The kernel takes the exit signal from the caller's own.
        raw.flags |= libc::CLONE_PARENT as u64;
        raw.exit_signal = 0;
    }
    match clone3(&mut raw)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: the kernel has just made this descriptor for us alone.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
            Ok(Cloned::Parent { pid, pidfd })
        }
    }
}

/// A plain fork, born in a v2 cgroup: 0 in the child. Only for a process that makes nothing but raw
/// system calls until its exec: locks of other threads stay locked in the child.
pub(crate) fn fork_into(cgroup: Option<RawFd>) -> io::Result<i64> {
    clone3(&mut plain_fork(cgroup))
}

fn plain_fork(cgroup: Option<RawFd>) -> libc::clone_args {
    libc::clone_args {
        flags: if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 },
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.and_then(|fd| u64::try_from(fd).ok()).unwrap_or(0),
    }
}

fn clone3(args: &mut libc::clone_args) -> io::Result<i64> {
    // SAFETY: `args` is complete and lives across the call, as does the pidfd's place that it may name.
    // Without CLONE_VM the child works on a copy of this memory; callers see to locks (see their docs).
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_mut(args), size_of::<libc::clone_args>()) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

/// NUL-terminated texts with the pointer array that exec wants, made before the clone.
#[derive(Debug)]
pub struct ExecStrings {
    texts: Vec<std::ffi::CString>,
    pointers: Vec<*const libc::c_char>,
}

impl ExecStrings {
    /// Copies the texts.
    ///
    /// # Errors
    /// When one holds a NUL byte.
    pub fn new<S: AsRef<str>>(texts: &[S]) -> io::Result<Self> {
        let texts = texts
            .iter()
            .map(|t| std::ffi::CString::new(t.as_ref()).map_err(|_| io::ErrorKind::InvalidInput.into()))
            .collect::<io::Result<Vec<_>>>()?;
        let pointers = texts.iter().map(|t| t.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { texts, pointers })
    }

    /// The first text, or empty.
    #[must_use]
    pub fn first(&self) -> &CStr {
        self.texts.first().map_or(c"", |t| t.as_c_str())
    }
}

/// execve(2); returns only when it failed.
#[must_use]
pub fn exec(path: &CStr, argv: &ExecStrings, env: &ExecStrings) -> io::Error {
    // SAFETY: `path` and every text are NUL-terminated, both arrays end in a null pointer, and all are
    // borrowed for the whole call.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), env.pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// Exits at once, without running anything that belongs to the parent.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit only ends the process.
    unsafe { libc::_exit(code) }
}

/// All signals to their default action and unblocked, as a new program expects them (signal(7)).
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL for a signal number in range; the kernel refuses KILL, STOP and the two that
        // the C library keeps, which is harmless.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut empty = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset fills the set it is given.
    unsafe { libc::sigemptyset(empty.as_mut_ptr()) };
    // SAFETY: the set was initialised above; the old mask is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, empty.as_ptr(), std::ptr::null_mut()) };
}

/// Blocks the given signals and gives a descriptor that delivers them instead (signalfd(2)).
///
/// # Errors
/// The kernel's errno.
pub fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset fills the set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set was initialised above; a number out of range is refused without effect.
        unsafe { libc::sigaddset(set.as_mut_ptr(), *signal) };
    }
    // SAFETY: the set was initialised above.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: -1 asks for a new descriptor; the set was initialised above.
    let fd = unsafe { libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Marks every descriptor from `first` on close-on-exec (close_range(2)).
///
/// # Errors
/// The kernel's errno.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor from `first` on, whoever owns it (close_range(2)). For a process that is
/// about to exec: values that own such a descriptor must neither be used nor dropped afterwards.
///
/// # Errors
/// The kernel's errno.
pub fn close_from(first: u32) -> io::Result<()> {
    close_range(first, u32::MAX, 0)
}

/// As [`close_from`] 3, but leaves one descriptor open.
///
/// # Errors
/// The kernel's errno.
pub fn close_all_but(keep: BorrowedFd<'_>) -> io::Result<()> {
    let keep = u32::try_from(keep.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    if keep > 3 {
        close_range(3, keep - 1, 0)?;
    }
    close_from(keep.max(2) + 1)
}

fn close_range(first: u32, last: u32, flags: u32) -> io::Result<()> {
    // SAFETY: no memory is passed. Without CLOEXEC owned descriptors are closed under their owners'
    // feet; the callers' contract says that these owners are never heard of again.
    let rc = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A fresh, empty session keyring; hosts without keyrings are fine (keyctl(2)).
pub fn join_new_session_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is passed.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
}

/// setsid(2) and the terminal on `tty` as controlling terminal and as descriptors 0, 1 and 2.
///
/// # Errors
/// The kernel's errno.
pub fn adopt_terminal(tty: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(tty)?;
    replace_stdio(tty, tty, tty)
}

/// Puts descriptors in the places of standard input, output and error.
///
/// # Errors
/// The kernel's errno.
pub fn replace_stdio(
    stdin: BorrowedFd<'_>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
) -> io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(())
}

/// Sends a signal by number through a pidfd, real-time signals included (pidfd_send_signal(2)).
///
/// # Errors
/// `ESRCH` when the process has ended.
pub fn signal_pidfd(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed: the null pointer asks for default siginfo.
    let rc = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0usize, 0) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets a resource limit of a process, clamped to what this process may set; a refused raise is no error.
pub fn set_rlimit_clamped(pid: Pid, resource: u32, soft: u64, hard: u64) {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `old` is a valid rlimit to write to; the null pointer sets nothing.
    let got = unsafe { libc::prlimit(pid.as_raw_nonzero().get(), resource, std::ptr::null(), &raw mut old) };
    if got != 0 {
        return;
    }
    for hard in [hard, hard.min(old.rlim_max)] {
        let new = libc::rlimit { rlim_cur: soft.min(hard), rlim_max: hard };
        // SAFETY: `new` is a valid rlimit to read from; the old one is not asked for.
        if unsafe {
            libc::prlimit(pid.as_raw_nonzero().get(), resource, &raw const new, std::ptr::null_mut())
        } == 0
        {
            return;
        }
    }
}

/// Lets this process open many files, as far as its hard limit goes: three descriptors and more a container.
pub fn raise_open_files() {
    // No more: some programs close every possible number one by one when they start.
    const ENOUGH: u64 = 65_536;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limit.maximum.map_or(ENOUGH, |hard| hard.min(ENOUGH));
    if limit.current.is_some_and(|now| now < most) {
        limit.current = Some(most);
        // Below the hard limit this needs no right.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
    }
}

/// Opens descriptors that the starter of this process left at fixed numbers.
///
/// # Errors
/// `EBADF` when nothing is open there.
pub fn inherited_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only reads a flag, and fails on a number that is not open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and by contract with the starter nobody else in this process owns it; each
    // number is asked for once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes reads of a descriptor wait.
///
/// # Errors
/// The kernel's errno.
pub fn set_blocking(fd: &OwnedFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, false)?)
}
