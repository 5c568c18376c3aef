//! Pseudo terminals from a container's own devpts; pts(4).

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::OpenptFlags,
    termios::Winsize,
};

/// Opens a new pair in the devpts whose root folder is `devpts`: master and slave.
///
/// # Errors
/// `ENOSPC` when the instance has handed out its maximum.
pub fn open_pair(devpts: BorrowedFd<'_>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let master = rustix::fs::openat(devpts, c"ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let slave = open_slave(master.as_fd())?;
    Ok((master, slave))
}

/// Opens the slave of a master without any path (TIOCGPTPEER).
///
/// # Errors
/// The kernel's errno.
pub fn open_slave(master: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    Ok(rustix::pty::ioctl_tiocgptpeer(master, flags)?)
}

/// The name of a master's slave in its devpts: a number.
///
/// # Errors
/// The kernel's errno.
pub fn name(master: BorrowedFd<'_>) -> io::Result<CString> {
    let path = rustix::pty::ptsname(master, Vec::new())?;
    let name = path.to_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    CString::new(name).map_err(io::Error::other)
}

/// Tells the terminal its size in character cells.
///
/// # Errors
/// The kernel's errno.
pub fn set_size(master: BorrowedFd<'_>, cols: u16, rows: u16) -> io::Result<()> {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(master, size)?)
}
