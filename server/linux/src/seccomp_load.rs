//! Loads a ready-made system call filter; seccomp(2). Compiling one is `seccomp`'s business.

use std::io;

/// Applies a classic BPF program (`struct sock_filter` bytes) to this thread. It does not set
/// no_new_privs, so that sudo and ping work inside: the thread needs CAP_SYS_ADMIN in its user namespace.
///
/// # Errors
/// `EINVAL` for a program the kernel refuses, `EACCES` without the capability.
pub fn load(program: &[u8]) -> io::Result<()> {
    let size = size_of::<libc::sock_filter>();
    let count =
        u16::try_from(program.len() / size).ok().filter(|n| *n > 0 && program.len().is_multiple_of(size));
    let Some(len) = count else { return Err(io::ErrorKind::InvalidInput.into()) };
    // The kernel copies the filter byte by byte, so the alignment of the bytes does not matter to it.
    let fprog = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `fprog` names `len` whole filters that are borrowed for the whole call; the kernel only reads them.
    let rc = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&fprog))
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
