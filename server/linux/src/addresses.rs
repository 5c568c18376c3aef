//! Addresses of an interface of this thread's network namespace, asked of rtnetlink(7).
//!
//! Who owns the namespace decides how many there are: only the first few are told.

use std::{io, net::Ipv4Addr, os::fd::AsRawFd};

use crate::rtnetlink;

/// Most addresses that are told of.
const ADDRESSES_MAX: usize = 8;
/// Most answers that are read: each holds many addresses.
const ANSWERS_MAX: usize = 32;
const HEADER: usize = 16;
const IFA_LOCAL: u16 = 2;
/// `rt_scope`: reachable from elsewhere.
const RT_SCOPE_UNIVERSE: u8 = 0;

/// IPv4 addresses of an interface that other machines can reach.
///
/// # Errors
/// The kernel's errno; `ENODEV` when there is no such interface.
pub fn list(interface: &str) -> io::Result<Vec<Ipv4Addr>> {
    let index = rtnetlink::link_index(interface)?;
    let socket = rtnetlink::ask(&request())?;
    let mut found = Vec::new();
    let mut answer = vec![0u8; 32 * 1024];
    for _ in 0..ANSWERS_MAX {
        // SAFETY: the buffer is ours and as long as we say.
        let n = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        if read(&answer[..n], index, &mut found)? {
            break;
        }
    }
    Ok(found)
}

/// RTM_GETADDR for all of IPv4: `nlmsghdr`, then `ifaddrmsg`.
fn request() -> [u8; 24] {
    let mut bytes = [0u8; 24];
    bytes[..4].copy_from_slice(&24u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&libc::RTM_GETADDR.to_ne_bytes());
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    bytes[6..8].copy_from_slice(&u16::try_from(flags).unwrap_or_default().to_ne_bytes());
    bytes[HEADER] = u8::try_from(libc::AF_INET).unwrap_or(2);
    bytes
}

/// Takes the addresses out of one answer; whether it was the last.
fn read(mut bytes: &[u8], index: u32, found: &mut Vec<Ipv4Addr>) -> io::Result<bool> {
    while let Some(length) = word(bytes, 0) {
        let length = usize::try_from(length).unwrap_or(0);
        let Some(message) = bytes.get(..length).filter(|m| m.len() >= HEADER) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match half(message, 4).map(i32::from) {
            Some(libc::NLMSG_DONE) => return Ok(true),
            Some(libc::NLMSG_ERROR) => {
                let errno = word(message, HEADER).unwrap_or(0).cast_signed();
                return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
            }
            _ => {}
        }
        let is_wanted =
            message.get(HEADER + 3) == Some(&RT_SCOPE_UNIVERSE) && word(message, HEADER + 4) == Some(index);
        if let Some(address) = local(message).filter(|_| is_wanted && found.len() < ADDRESSES_MAX) {
            found.push(address);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The attribute `IFA_LOCAL` behind `ifaddrmsg`.
fn local(message: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = message.get(HEADER + 8..)?;
    loop {
        let length = usize::from(half(rest, 0)?);
        let value = rest.get(4..length)?;
        if half(rest, 2)? == IFA_LOCAL {
            return <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_address_that_others_can_reach() {
        assert_eq!(list("lo").unwrap(), Vec::<Ipv4Addr>::new());
        assert_eq!(list("no-such-link").unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn an_answer_is_read_and_a_crooked_one_breaks_nothing() {
        let mut message = vec![0u8; 24];
        message[4..6].copy_from_slice(&libc::RTM_NEWADDR.to_ne_bytes());
        message[20..24].copy_from_slice(&7u32.to_ne_bytes());
        for (kind, last) in [(1u16, 1u8), (IFA_LOCAL, 5)] {
            message.extend(8u16.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend([192, 168, 1, last]);
        }
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        let addresses = |bytes: &[u8], index: u32| {
            let mut found = Vec::new();
            read(bytes, index, &mut found).map(|_| found)
        };
        assert_eq!(addresses(&message, 7).unwrap(), [Ipv4Addr::new(192, 168, 1, 5)]);
        assert!(addresses(&message, 8).unwrap().is_empty());
        assert_eq!(addresses(&message.repeat(20), 7).unwrap().len(), ADDRESSES_MAX);
        for cut in 0..message.len() {
            let _ = addresses(&message[..cut], 7);
            let mut bad = message.clone();
            bad[cut] = 0;
            let _ = addresses(&bad, 7);
        }
    }
}
