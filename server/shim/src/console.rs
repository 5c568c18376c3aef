//! The console: a scrollback ring that all viewers read from at their own pace.
//!
//! The ring is the queue: a viewer that falls further behind than the ring is long skips to its
//! oldest byte, so a slow viewer never blocks the pty and never costs memory. The newest writer
//! holds the pen: only its input and size count.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use protocol::viewer::{DATA_MAX, Frame, TermSize};
use rustix::{
    event::PollFlags,
    io::Errno,
    net::{RecvFlags, SendFlags},
};

/// Most viewers of one console.
const VIEWERS_MAX: usize = 16;

/// The last bytes of a stream, numbered from the stream's beginning.
#[derive(Debug)]
pub(crate) struct Ring {
    bytes: Vec<u8>,
    written: u64,
}

impl Ring {
    /// Room for `size` bytes; the memory is touched as it fills.
    pub(crate) fn new(size: usize) -> Self {
        Self { bytes: vec![0; size.max(1)], written: 0 }
    }

    /// Appends, overwriting the oldest.
    pub(crate) fn write(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let at = self.place(self.written);
            let n = data.len().min(self.bytes.len() - at);
            self.bytes[at..at + n].copy_from_slice(&data[..n]);
            self.written += n as u64;
            data = &data[n..];
        }
    }

    /// Bytes from `position` on, as many as lie together; the position moves up when it is too old.
    pub(crate) fn read(&self, position: &mut u64) -> &[u8] {
        let oldest = self.written.saturating_sub(self.bytes.len() as u64);
        *position = (*position).max(oldest);
        let at = self.place(*position);
        let left = usize::try_from(self.written - *position).unwrap_or(usize::MAX);
        &self.bytes[at..(at + left).min(self.bytes.len()).min(at + DATA_MAX)]
    }

    fn place(&self, position: u64) -> usize {
        usize::try_from(position % self.bytes.len() as u64).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Viewer {
    socket: OwnedFd,
    position: u64,
    is_blocked: bool,
}

/// The console of one container over all its boots.
#[derive(Debug)]
pub(crate) struct Console {
    ring: Ring,
    viewers: Vec<Viewer>,
    /// Input that the pty had no room for yet.
    input: Vec<u8>,
}

impl Console {
    pub(crate) fn new(scrollback: u32) -> Self {
        Self { ring: Ring::new(scrollback as usize), viewers: Vec::new(), input: Vec::new() }
    }

    /// Says something to all viewers, of now and later.
    pub(crate) fn note(&mut self, text: &str) {
        self.ring.write(text.as_bytes());
        self.flush();
    }

    /// Sockets to watch, and what for. The writer is not heard while its last input waits for the pty.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.viewers.iter().enumerate().map(|(index, v)| {
            let mut flags = if self.is_full_for(index) { PollFlags::empty() } else { PollFlags::IN };
            flags.set(PollFlags::OUT, v.is_blocked);
            (v.socket.as_fd(), flags)
        })
    }

    fn is_full_for(&self, index: usize) -> bool {
        index + 1 == self.viewers.len() && self.input.len() >= DATA_MAX
    }

    /// Whether input waits for the pty.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// A new viewer gets the scrollback, and the pen.
    pub(crate) fn add_viewer(&mut self, socket: OwnedFd) -> Result<(), Errno> {
        if self.viewers.len() >= VIEWERS_MAX {
            return Err(Errno::BUSY);
        }
        if let Some(old) = self.viewers.last() {
            let _ = Frame::Writer(false).send(old.socket.as_fd(), SendFlags::DONTWAIT);
        }
        self.viewers.push(Viewer { socket, position: 0, is_blocked: false });
        self.flush();
        Ok(())
    }

    /// Closes all viewers.
    pub(crate) fn revoke(&mut self) {
        self.viewers.clear();
    }

    /// Tells all viewers that the container has ended, and lets go of them.
    pub(crate) fn end(&mut self) {
        for viewer in self.viewers.drain(..) {
            let _ = Frame::Ended.send(viewer.socket.as_fd(), SendFlags::DONTWAIT);
        }
    }

    /// Reads a piece of what the pty has to say, and gives its length.
    pub(crate) fn read_pty(&mut self, master: BorrowedFd<'_>) -> Result<usize, Errno> {
        let mut buffer = [0; 4096];
        let n = rustix::io::read(master, &mut buffer)?;
        self.ring.write(&buffer[..n]);
        self.flush();
        Ok(n)
    }

    /// Sends each viewer what it has not seen, as far as its socket takes it.
    pub(crate) fn flush(&mut self) {
        let ring = &self.ring;
        self.viewers.retain_mut(|viewer| {
            viewer.is_blocked = false;
            loop {
                let data = ring.read(&mut viewer.position);
                if data.is_empty() {
                    return true;
                }
                match Frame::Data(data).send(viewer.socket.as_fd(), SendFlags::DONTWAIT) {
                    Ok(()) => viewer.position += data.len() as u64,
                    Err(Errno::AGAIN) => {
                        viewer.is_blocked = true;
                        return true;
                    }
                    Err(_) => return false,
                }
            }
        });
    }

    /// Takes what viewer number `index` sends; a closed or crooked one is let go of. Input never grows
    /// beyond two frames: see `sockets`.
    pub(crate) fn read_viewer(&mut self, index: usize, master: BorrowedFd<'_>) {
        let Some(viewer) = self.viewers.get(index) else { return };
        let has_pen = index + 1 == self.viewers.len();
        let mut buffer = [0; DATA_MAX + 1];
        match Frame::recv(viewer.socket.as_fd(), &mut buffer, RecvFlags::DONTWAIT) {
            Ok(Some(Frame::Data(data))) if has_pen => {
                self.input.extend_from_slice(data);
                self.write_pty(master);
            }
            Ok(Some(Frame::Resize(TermSize { cols, rows }))) if has_pen => {
                let _ = linux::pty::set_size(master, cols, rows);
            }
            Ok(Some(Frame::Writer(true))) if !has_pen => self.pass_pen(index),
            Ok(Some(_)) | Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(None) | Err(_) => self.drop_viewer(index),
        }
    }

    fn pass_pen(&mut self, index: usize) {
        if let Some(old) = self.viewers.last() {
            let _ = Frame::Writer(false).send(old.socket.as_fd(), SendFlags::DONTWAIT);
        }
        let viewer = self.viewers.remove(index);
        let _ = Frame::Writer(true).send(viewer.socket.as_fd(), SendFlags::DONTWAIT);
        self.viewers.push(viewer);
    }

    fn drop_viewer(&mut self, index: usize) {
        let had_pen = index + 1 == self.viewers.len();
        self.viewers.remove(index);
        if let Some(next) = self.viewers.last().filter(|_| had_pen) {
            let _ = Frame::Writer(true).send(next.socket.as_fd(), SendFlags::DONTWAIT);
        }
    }

    /// Writes waiting input to the pty, as far as it takes it.
    pub(crate) fn write_pty(&mut self, master: BorrowedFd<'_>) {
        if self.input.is_empty() {
            return;
        }
        match rustix::io::write(master, &self.input) {
            Ok(n) => drop(self.input.drain(..n)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.input.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring, mut position: u64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let data = ring.read(&mut position);
            if data.is_empty() {
                return out;
            }
            out.extend_from_slice(data);
            position += data.len() as u64;
        }
    }

    #[test]
    fn the_ring_keeps_the_newest_bytes_in_order() {
        let mut ring = Ring::new(5);
        ring.write(b"abc");
        assert_eq!(all(&ring, 0), b"abc");
        ring.write(b"defgh");
        assert_eq!(all(&ring, 0), b"defgh");
        assert_eq!(all(&ring, 6), b"gh");
        ring.write(b"0123456789abc");
        assert_eq!(
            all(&ring, 0),
            b"9abc".iter().copied().fold(b"8".to_vec(), |mut v, b| {
                v.push(b);
                v
            })
        );
    }
}
