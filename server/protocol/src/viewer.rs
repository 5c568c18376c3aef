//! Frames on a viewer socket: what a console or exec session is, seen from outside.
//!
//! The socket is SEQPACKET, one frame a packet: a kind byte, then the body. The shim serves it; the
//! engine hands one end to the web process or the command line and never gives out a pty itself.

use std::{os::fd::BorrowedFd, time::Duration};

pub use rustix::net::{RecvFlags, SendFlags};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{Shutdown, recv, send, shutdown},
};

/// Largest body of a data frame.
pub const DATA_MAX: usize = 16 * 1024;

/// Size of a terminal in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TermSize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

impl Default for TermSize {
    fn default() -> Self {
        Self { cols: 80, rows: 24 }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// To the viewer: terminal output or standard output. From it: input.
    Data(&'a [u8]),
    /// To the viewer, without a pty: standard error.
    ErrorData(&'a [u8]),
    /// From the viewer: the terminal's size changed.
    Resize(TermSize),
    /// From the viewer: no more input (without a pty standard input is closed).
    EndOfInput,
    /// From the viewer: take over writing; to the viewer: whether its input counts now.
    Writer(bool),
    /// To the viewer, last: the command ended with this exit code (128 + n for signal n).
    Exit(u8),
    /// To the viewer, last: init ended; the container stopped or will start again.
    Ended,
}

impl<'a> Frame<'a> {
    /// Reads a frame from a packet; `None` when it is crooked.
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let (kind, body) = packet.split_first()?;
        match (kind, body) {
            (0, data) => Some(Self::Data(data)),
            (1, data) => Some(Self::ErrorData(data)),
            (2, &[a, b, c, d]) => Some(Self::Resize(TermSize {
                cols: u16::from_be_bytes([a, b]),
                rows: u16::from_be_bytes([c, d]),
            })),
            (3, []) => Some(Self::EndOfInput),
            (4, &[on @ (0 | 1)]) => Some(Self::Writer(on == 1)),
            (5, &[code]) => Some(Self::Exit(code)),
            (6, []) => Some(Self::Ended),
            _ => None,
        }
    }

    /// The kind byte and body; small bodies are written into `small`.
    fn encode<'b>(&'b self, small: &'b mut [u8; 4]) -> (u8, &'b [u8]) {
        match self {
            Self::Data(data) => (0, data),
            Self::ErrorData(data) => (1, data),
            Self::Resize(size) => {
                let ([a, b], [c, d]) = (size.cols.to_be_bytes(), size.rows.to_be_bytes());
                *small = [a, b, c, d];
                (2, &small[..])
            }
            Self::EndOfInput => (3, &[]),
            Self::Writer(on) => {
                small[0] = u8::from(*on);
                (4, &small[..1])
            }
            Self::Exit(code) => {
                small[0] = *code;
                (5, &small[..1])
            }
            Self::Ended => (6, &[]),
        }
    }

    /// Sends the frame without allocating. With `DONTWAIT` in `flags` a full socket is `EAGAIN`.
    ///
    /// # Errors
    /// The socket's errno; `MSGSIZE` when the body is above [`DATA_MAX`].
    pub fn send(&self, socket: BorrowedFd<'_>, flags: SendFlags) -> Result<(), Errno> {
        let mut small = [0; 4];
        let (kind, body) = self.encode(&mut small);
        let mut packet = [0; DATA_MAX + 1];
        packet[0] = kind;
        packet.get_mut(1..=body.len()).ok_or(Errno::MSGSIZE)?.copy_from_slice(body);
        rustix::io::retry_on_intr(|| send(socket, &packet[..=body.len()], flags | SendFlags::NOSIGNAL))
            .map(|_| ())
    }

    /// Receives one frame into `buffer` ([`DATA_MAX`] + 1 bytes); `None` when the peer has closed or spoke crooked.
    ///
    /// # Errors
    /// The socket's errno.
    pub fn recv(
        socket: BorrowedFd<'_>,
        buffer: &'a mut [u8],
        flags: RecvFlags,
    ) -> Result<Option<Self>, Errno> {
        let n = rustix::io::retry_on_intr(|| recv(socket, &mut *buffer, flags)).map(|(n, _)| n)?;
        Ok(buffer.get(..n).and_then(Frame::parse))
    }
}

/// What a viewer has heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// The peer has closed, spoke crooked, or nothing came in time.
    Nothing,
}

/// Waits for one frame.
pub fn hear<'a>(socket: BorrowedFd<'_>, buffer: &'a mut [u8], patience: Duration) -> Heard<'a> {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    let patience = Timespec::try_from(patience).unwrap_or_default();
    match rustix::io::retry_on_intr(|| poll(&mut fds, Some(&patience))) {
        Ok(1..) => match Frame::recv(socket, buffer, RecvFlags::DONTWAIT) {
            Ok(Some(frame)) => Heard::Frame(frame),
            _ => Heard::Nothing,
        },
        _ => Heard::Nothing,
    }
}

/// Ends a viewer from this side; a receiver that waits is woken.
///
/// # Errors
/// The socket's errno.
pub fn hang_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    shutdown(socket, Shutdown::Both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn frames_come_back_as_sent() {
        let (a, b) = crate::Channel::pair().unwrap();
        let mut buffer = vec![0; DATA_MAX + 1];
        let size = TermSize { cols: 300, rows: 2 };
        for frame in [
            Frame::Data(b"x"),
            Frame::Data(b""),
            Frame::ErrorData(b"e"),
            Frame::Resize(size),
            Frame::EndOfInput,
            Frame::Writer(true),
            Frame::Exit(3),
            Frame::Ended,
        ] {
            frame.send(a.as_fd(), SendFlags::empty()).unwrap();
            assert_eq!(Frame::recv(b.as_fd(), &mut buffer, RecvFlags::empty()).unwrap(), Some(frame));
        }
        assert_eq!(Frame::Data(&[0; DATA_MAX + 1]).send(a.as_fd(), SendFlags::empty()), Err(Errno::MSGSIZE));
    }

    #[test]
    fn crooked_frames_are_none() {
        for packet in [&[][..], &[2, 1], &[4, 2], &[5], &[9, 9], &[6, 0]] {
            assert_eq!(Frame::parse(packet), None, "{packet:?}");
        }
    }
}
