//! A message channel on an `AF_UNIX` SEQPACKET socket, with file descriptors (unix(7), cmsg(3)).
//!
//! A message is cut into packets of at most 64 KiB; the first byte of each says whether more follow.
//! Descriptors ride on the first packet. It never trusts a length that the peer claims: it counts.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
        accept_with, bind, connect, listen, recvmsg, sendmsg, socket_with, socketpair,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Largest packet, first byte included.
const PACKET_MAX: usize = 64 * 1024;
/// Largest message: a list of some ten thousand containers fits.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;
/// Most descriptors one message may carry.
const FDS_MAX: usize = 8;
const LAST: u8 = 0;
const MORE: u8 = 1;

/// A message's bytes, and the descriptors that came with it.
type Packets = (Vec<u8>, Vec<OwnedFd>);

/// A message could not be sent or received.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The socket itself failed.
    #[error("socket failed")]
    Io(#[source] std::io::Error),
    /// The peer sent more than a message may hold.
    #[error("message is larger than {MESSAGE_MAX} bytes")]
    TooLarge,
    /// The peer closed in the middle of a message, or sent an empty or crooked packet.
    #[error("message is cut off or crooked")]
    Malformed,
    /// The bytes are no message of the expected kind.
    #[error("message is not understood")]
    Json(#[source] serde_json::Error),
}

impl From<Errno> for ChannelError {
    fn from(e: Errno) -> Self {
        Self::Io(e.into())
    }
}

/// One end of a message channel.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl From<Channel> for OwnedFd {
    fn from(c: Channel) -> Self {
        c.socket
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Channel {
    /// Two connected ends.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn pair() -> Result<(Self, Self), ChannelError> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((a.into(), b.into()))
    }

    /// Connects to a listening socket.
    ///
    /// # Errors
    /// When nobody listens there, or the path is longer than 107 bytes.
    pub fn connect(path: &Path) -> Result<Self, ChannelError> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(socket.into())
    }

    /// Sends one message with descriptors.
    ///
    /// # Errors
    /// When the peer is gone or the message is too large.
    pub fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        let bytes = serde_json::to_vec(message).map_err(ChannelError::Json)?;
        if bytes.len() > MESSAGE_MAX || fds.len() > FDS_MAX {
            return Err(ChannelError::TooLarge);
        }
        let mut chunks = bytes.chunks(PACKET_MAX - 1).peekable();
        let mut fds = fds;
        while let Some(chunk) = chunks.next() {
            let flag = if chunks.peek().is_some() { [MORE] } else { [LAST] };
            self.send_packet(&[IoSlice::new(&flag), IoSlice::new(chunk)], fds)?;
            fds = &[];
        }
        Ok(())
    }

    /// Waits until something can be received; `false` when the time is up.
    ///
    /// # Errors
    /// When the socket failed.
    pub fn wait_readable(&self, patience: std::time::Duration) -> Result<bool, ChannelError> {
        let patience = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        Ok(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&patience)))? > 0)
    }

    fn send_packet(&self, parts: &[IoSlice<'_>], fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(ChannelError::TooLarge);
        }
        rustix::io::retry_on_intr(|| sendmsg(&self.socket, parts, &mut ancillary, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Receives one message; `None` when the peer has closed.
    ///
    /// # Errors
    /// When the message is crooked, too large or not understood.
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, ChannelError> {
        let Some((bytes, fds)) = self.recv_bytes()? else { return Ok(None) };
        let message = serde_json::from_slice(&bytes).map_err(ChannelError::Json)?;
        Ok(Some((message, fds)))
    }

    fn recv_bytes(&self) -> Result<Option<Packets>, ChannelError> {
        let mut packet = vec![0; PACKET_MAX];
        let mut message = Vec::new();
        let mut fds = Vec::new();
        loop {
            let n = self.recv_packet(&mut packet, &mut fds)?;
            match packet.get(..n) {
                Some([]) if message.is_empty() => return Ok(None),
                Some([flag @ (LAST | MORE), body @ ..]) => {
                    if message.len() + body.len() > MESSAGE_MAX {
                        return Err(ChannelError::TooLarge);
                    }
                    message.extend_from_slice(body);
                    if *flag == LAST {
                        return Ok(Some((message, fds)));
                    }
                }
                _ => return Err(ChannelError::Malformed),
            }
        }
    }

    fn recv_packet(&self, packet: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<usize, ChannelError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(&self.socket, &mut [IoSliceMut::new(packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if received.flags.contains(ReturnFlags::TRUNC) || fds.len() > FDS_MAX {
            return Err(ChannelError::Malformed);
        }
        Ok(received.bytes)
    }
}

/// A message as its bytes, for a channel of another kind such as a memfd.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn to_bytes<T: Serialize>(message: &T) -> Result<Vec<u8>, ChannelError> {
    serde_json::to_vec(message).map_err(ChannelError::Json)
}

/// Waits until at least one socket has something to receive or has closed; gives their places.
///
/// # Errors
/// The kernel's errno.
pub fn poll_readable(sockets: &[BorrowedFd<'_>]) -> Result<Vec<usize>, ChannelError> {
    let mut fds: Vec<_> = sockets.iter().map(|s| PollFd::from_borrowed_fd(*s, PollFlags::IN)).collect();
    rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
    Ok((0..fds.len()).filter(|i| !fds[*i].revents().is_empty()).collect())
}

/// A listening SEQPACKET socket at a path.
///
/// # Errors
/// When the path is taken or too long. The caller removes a stale socket first and sets its mode.
pub fn listen_at(path: &Path) -> Result<OwnedFd, ChannelError> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, 64)?;
    Ok(socket)
}

/// Accepts one connection and says which user id (as the kernel saw it at connect) is behind it.
///
/// # Errors
/// When the listener failed.
pub fn accept_from(listener: BorrowedFd<'_>) -> Result<(Channel, u32), ChannelError> {
    let socket = rustix::io::retry_on_intr(|| accept_with(listener, SocketFlags::CLOEXEC))?;
    let uid = rustix::net::sockopt::socket_peercred(&socket)?.uid.as_raw();
    Ok((socket.into(), uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_and_descriptors_arrive_whole() {
        let (a, b) = Channel::pair().unwrap();
        let long = "x".repeat(300_000);
        let sent = long.clone();
        let sender = std::thread::spawn(move || {
            let fd = a.as_fd().try_clone_to_owned().unwrap();
            a.send(&sent, &[fd.as_fd()]).unwrap();
        });
        let (text, fds): (String, _) = b.recv().unwrap().unwrap();
        sender.join().unwrap();
        assert_eq!(text, long);
        assert_eq!(fds.len(), 1);
        drop(fds);
        assert!(b.recv::<String>().unwrap().is_none());
    }

    #[test]
    fn crooked_packets_are_errors_not_panics() {
        for bytes in [&[7u8, b'1'][..], &[LAST, b'{'][..], &[LAST][..]] {
            let (a, b) = Channel::pair().unwrap();
            rustix::net::send(&a, bytes, SendFlags::empty()).unwrap();
            assert!(b.recv::<u32>().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_message_without_end_is_cut_off_at_the_limit() {
        let (a, b) = Channel::pair().unwrap();
        let sender = std::thread::spawn(move || {
            let mut packet = vec![b' '; PACKET_MAX];
            packet[0] = MORE;
            let mut sent = 0;
            while rustix::net::send(&a, &packet, SendFlags::NOSIGNAL).is_ok() && sent < 2 * MESSAGE_MAX {
                sent += packet.len();
            }
            sent
        });
        assert!(matches!(b.recv::<u32>(), Err(ChannelError::TooLarge)));
        drop(b);
        assert!(sender.join().unwrap() < 2 * MESSAGE_MAX);
    }
}
