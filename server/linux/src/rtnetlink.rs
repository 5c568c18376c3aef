//! The few rtnetlink(7) messages that Kiste needs, encoded by hand: the shim is too small for a
//! netlink library, and the engine can prepare whole messages for it.
//!
//! A message is sent on a fresh socket and its acknowledgement read; nothing is cached.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

const NLM_F_REQUEST_ACK: u16 = 0x05;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFINFO_LEN: usize = 16;

/// A message under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 16];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(NLM_F_REQUEST_ACK | flags).to_ne_bytes());
        Self(bytes)
    }

    /// `struct ifinfomsg`.
    fn link(mut self, index: u32, up: Option<bool>) -> Self {
        let flag = u32::from(up == Some(true));
        let change = u32::from(up.is_some());
        self.0.extend([0; 4]);
        for word in [index, flag, change] {
            self.0.extend(word.to_ne_bytes());
        }
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn name(self, kind: u16, name: &str) -> Self {
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        self.attribute(kind, &text)
    }

    /// Opens a nested attribute and gives where it began.
    fn open(&mut self, kind: u16) -> usize {
        let at = self.0.len();
        self.0.extend([0, 0]);
        self.0.extend(kind.to_ne_bytes());
        at
    }

    fn close(&mut self, at: usize) {
        let len = u16::try_from(self.0.len() - at).unwrap_or(u16::MAX);
        self.0[at..at + 2].copy_from_slice(&len.to_ne_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0
    }
}

/// One end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethEnd {
    /// Its name.
    pub name: String,
    /// Its Ethernet address.
    pub mac: [u8; 6],
}

/// A prepared message that makes a veth pair with the peer born in a namespace to be named later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethMessage {
    /// The message.
    pub bytes: Vec<u8>,
    /// Where the 32-bit process id of the namespace goes.
    pub netns_pid_offset: usize,
}

/// Prepares a veth pair: `host` up on the bridge with index `master`, `peer` in another network namespace.
#[must_use]
pub fn veth_message(host: &VethEnd, peer: &VethEnd, master: u32, mtu: u32) -> VethMessage {
    let mut message = Message::new(libc::RTM_NEWLINK, NLM_F_CREATE_EXCL)
        .link(0, Some(true))
        .name(IFLA_IFNAME, &host.name)
        .attribute(IFLA_ADDRESS, &host.mac)
        .attribute(IFLA_MASTER, &master.to_ne_bytes())
        .attribute(IFLA_MTU, &mtu.to_ne_bytes());
    let info = message.open(IFLA_LINKINFO);
    message = message.name(IFLA_INFO_KIND, "veth");
    let data = message.open(IFLA_INFO_DATA);
    let peer_at = message.open(VETH_INFO_PEER);
    message.0.extend([0; IFINFO_LEN]);
    message = message
        .name(IFLA_IFNAME, &peer.name)
        .attribute(IFLA_ADDRESS, &peer.mac)
        .attribute(IFLA_MTU, &mtu.to_ne_bytes())
        .attribute(IFLA_NET_NS_PID, &[0; 4]);
    let netns_pid_offset = message.0.len() - 4;
    for at in [peer_at, data, info] {
        message.close(at);
    }
    VethMessage { bytes: message.finish(), netns_pid_offset }
}

/// Sends one message on a fresh socket, from which the answer is to be read.
pub(crate) fn ask(message: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us alone.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the message is borrowed for the whole call; an unbound netlink socket sends to the kernel.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

/// Sends one message and waits for the kernel's answer.
///
/// # Errors
/// The errno of the answer, such as `EEXIST` or `ENODEV`.
pub fn send(message: &[u8]) -> io::Result<()> {
    let socket = ask(message)?;
    let mut answer = [0u8; 4096];
    // SAFETY: the buffer is ours and as long as we say.
    let n = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    // NLMSG_ERROR carries the errno, negative, right behind the header; 0 is the acknowledgement.
    let word = |at: usize| answer.get(at..at + 4).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
    match (n, word(16)) {
        (..0, _) => Err(io::Error::last_os_error()),
        (20.., Some(0)) => Ok(()),
        (20.., Some(errno)) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Deletes an interface by name; that there is none is no error.
///
/// # Errors
/// The kernel's errno.
pub fn delete_link(name: &str) -> io::Result<()> {
    match send(&Message::new(libc::RTM_DELLINK, 0).link(0, None).name(IFLA_IFNAME, name).finish()) {
        Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result,
    }
}

/// Makes a bridge with a fixed Ethernet address, up; that it is there is no error.
///
/// # Errors
/// The kernel's errno.
pub fn ensure_bridge(name: &str, mac: [u8; 6]) -> io::Result<()> {
    let mut message = Message::new(libc::RTM_NEWLINK, NLM_F_CREATE_EXCL)
        .link(0, None)
        .name(IFLA_IFNAME, name)
        .attribute(IFLA_ADDRESS, &mac);
    let info = message.open(IFLA_LINKINFO);
    message = message.name(IFLA_INFO_KIND, "bridge");
    message.close(info);
    match send(&message.finish()) {
        Err(e) if e.raw_os_error() != Some(libc::EEXIST) => return Err(e),
        _ => {}
    }
    set_up(link_index(name)?)
}

/// Sets an interface up.
///
/// # Errors
/// The kernel's errno.
pub fn set_up(index: u32) -> io::Result<()> {
    send(&Message::new(libc::RTM_NEWLINK, 0).link(index, Some(true)).finish())
}

/// Gives an interface an address; that it has it is no error.
///
/// # Errors
/// The kernel's errno.
pub fn ensure_address(index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let mut message = Message::new(libc::RTM_NEWADDR, NLM_F_CREATE_EXCL);
    let family = u8::try_from(libc::AF_INET).unwrap_or(2);
    message.0.extend([family, prefix, 0, 0]);
    message.0.extend(index.to_ne_bytes());
    let message = message.attribute(IFA_LOCAL, &address.octets()).attribute(IFA_ADDRESS, &address.octets());
    match send(&message.finish()) {
        Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        result => result,
    }
}

/// The index of an interface in this network namespace.
///
/// # Errors
/// `ENODEV` when there is none of that name.
pub fn link_index(name: &str) -> io::Result<u32> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: the name is NUL-terminated and borrowed for the whole call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// Sets the loopback interface of this network namespace up. Its index is always 1. Does not allocate.
///
/// # Errors
/// The kernel's errno.
pub fn loopback_up() -> io::Result<()> {
    // The finished message of `set_up(1)`: header, then ifinfomsg.
    let mut bytes = [0u8; 32];
    bytes[0] = 32;
    bytes[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST_ACK.to_ne_bytes());
    for (at, word) in [(20, 1u32), (24, 1), (28, 1)] {
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    send(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_veth_message_counts_its_length_and_ends_in_the_namespace() {
        let end = |name: &str| VethEnd { name: name.into(), mac: [2, 0, 0, 0, 0, 1] };
        let message = veth_message(&end("kvaaa2s"), &end("eth0"), 7, 1500);
        let length = u32::from_ne_bytes(message.bytes[..4].try_into().unwrap());
        assert_eq!(length as usize, message.bytes.len());
        assert_eq!(message.netns_pid_offset, message.bytes.len() - 4);
    }

    #[test]
    fn the_hand_made_loopback_message_is_the_encoded_one() {
        let encoded = Message::new(libc::RTM_NEWLINK, 0).link(1, Some(true)).finish();
        assert_eq!(encoded.len(), 32);
        assert_eq!((encoded[0], encoded[20], encoded[24], encoded[28]), (32, 1, 1, 1));
    }
}
