//! A running command and its viewer: moves bytes between them, without ever waiting for either.
//!
//! Nothing is read that has no place to go to: a full viewer stops reading from the command, a command
//! that does not read stops reading from the viewer. The exit code goes out after the last output.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use linux::{process, pty, rights};
use protocol::viewer::{DATA_MAX, Frame, TermSize};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags},
};

use crate::{failure::Failure, launch::reap};

/// Pieces of output passed on in one go, so that a chatty command leaves time for the others.
const PIECES: usize = 16;
/// Exit code of a command that could not be started.
const NOT_STARTED: u8 = 126;

/// How far a command is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The helper is on its way in and will send the command's handle.
    Entering { helper: OwnedFd, socket: OwnedFd },
    /// It runs.
    Running(OwnedFd),
    /// It has ended with this code.
    Ended(u8),
}

/// Where a command's bytes go.
#[derive(Debug)]
pub(super) enum Terminal {
    /// A terminal; its slave end is held while the command runs, so that closing its own does not hang up.
    Pty { master: OwnedFd, slave: Option<OwnedFd> },
    /// Three pipes; those that have closed are gone.
    Pipes { stdin: Option<OwnedFd>, stdout: Option<OwnedFd>, stderr: Option<OwnedFd> },
}

impl Terminal {
    const CLOSED: Self = Self::Pipes { stdin: None, stdout: None, stderr: None };

    fn input(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Pty { master, .. } => Some(master.as_fd()),
            Self::Pipes { stdin, .. } => stdin.as_ref().map(AsFd::as_fd),
        }
    }

    fn outputs(&self) -> [Option<BorrowedFd<'_>>; 2] {
        match self {
            Self::Pty { master, .. } => [Some(master.as_fd()), None],
            Self::Pipes { stdout, stderr, .. } => [stdout, stderr].map(|fd| fd.as_ref().map(AsFd::as_fd)),
        }
    }

    fn close_input(&mut self) {
        if let Self::Pipes { stdin, .. } = self {
            *stdin = None;
        }
    }

    fn close_output(&mut self, is_error: bool) {
        match self {
            Self::Pipes { stderr, .. } if is_error => *stderr = None,
            Self::Pipes { stdout, .. } => *stdout = None,
            Self::Pty { .. } => *self = Self::CLOSED,
        }
    }

    fn release_slave(&mut self) {
        if let Self::Pty { slave, .. } = self {
            *slave = None;
        }
    }
}

/// A command and its viewer.
#[derive(Debug)]
pub(crate) struct Session {
    stage: Stage,
    terminal: Terminal,
    viewer: Option<OwnedFd>,
    /// A piece of output that the viewer had no room for: whether it is error output, and the bytes.
    pending: Option<(bool, Vec<u8>)>,
    input: Vec<u8>,
    has_input_ended: bool,
    /// Whose turn it is to be read first.
    is_error_first: bool,
    has_lost_its_command: bool,
}

impl Session {
    pub(super) fn new(stage: Stage, terminal: Terminal, viewer: OwnedFd) -> Self {
        Self {
            stage,
            terminal,
            viewer: Some(viewer),
            pending: None,
            input: Vec::new(),
            has_input_ended: false,
            is_error_first: false,
            has_lost_its_command: false,
        }
    }

    /// A command that only has to be collected.
    pub(super) fn without_viewer(pidfd: OwnedFd) -> Self {
        Self {
            stage: Stage::Running(pidfd),
            terminal: Terminal::CLOSED,
            viewer: None,
            pending: None,
            input: Vec::new(),
            has_input_ended: true,
            is_error_first: false,
            has_lost_its_command: false,
        }
    }

    /// Whether the helper ended without a word, so that its command may run and nobody know it.
    pub(crate) fn has_lost_its_command(&self) -> bool {
        self.has_lost_its_command
    }

    /// Process id of the child behind this session.
    pub(crate) fn pid(&self) -> Option<i32> {
        let (Stage::Entering { helper: pidfd, .. } | Stage::Running(pidfd)) = &self.stage else {
            return None;
        };
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
        info.lines().find_map(|l| l.strip_prefix("Pid:"))?.trim().parse().ok()
    }

    /// Descriptors to watch for reading.
    pub(crate) fn readable(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![];
        fds.extend(self.viewer.as_ref().filter(|_| self.input.len() < DATA_MAX).map(AsFd::as_fd));
        match &self.stage {
            Stage::Entering { socket, .. } => fds.push(socket.as_fd()),
            Stage::Running(pidfd) => fds.push(pidfd.as_fd()),
            Stage::Ended(_) => {}
        }
        if self.pending.is_none() {
            fds.extend(self.terminal.outputs().into_iter().flatten());
        }
        fds
    }

    /// Descriptors to watch for writing.
    pub(crate) fn writable(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![];
        let has_news = self.pending.is_some() || matches!(self.stage, Stage::Ended(_));
        fds.extend(self.viewer.as_ref().filter(|_| has_news).map(AsFd::as_fd));
        fds.extend(self.terminal.input().filter(|_| !self.input.is_empty()));
        fds
    }

    /// Moves what can be moved; `false` when the session is over.
    pub(crate) fn advance(&mut self) -> bool {
        self.read_viewer();
        self.write_input();
        self.watch_process();
        let is_drained = self.pass_output();
        match (&self.stage, &self.viewer) {
            (Stage::Ended(_), None) => false,
            (Stage::Ended(code), Some(viewer)) if is_drained => {
                // A full socket is asked again.
                Frame::Exit(*code).send(viewer.as_fd(), SendFlags::DONTWAIT) == Err(Errno::AGAIN)
            }
            _ => true,
        }
    }

    /// The viewer is gone: the command hears it as a terminal that hung up.
    pub(crate) fn hang_up(&mut self) {
        self.viewer = None;
        self.pending = None;
        self.input.clear();
        // Closing a terminal's master tells its whole session.
        self.terminal = Terminal::CLOSED;
        if let Stage::Running(pidfd) = &self.stage {
            let _ = process::signal_pidfd(pidfd.as_fd(), 1);
        }
    }

    /// The container has ended: a helper that is still on its way, perhaps frozen, has nowhere to go.
    pub(crate) fn give_up_start(&mut self) {
        if let Stage::Entering { helper, .. } = &self.stage {
            end_helper(helper);
            self.refuse("the container has ended");
        }
    }

    fn watch_process(&mut self) {
        match &self.stage {
            Stage::Entering { helper, socket } => {
                let mut bytes = [0; 128];
                match rights::receive(socket.as_fd(), &mut bytes) {
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Ok((_, [Some(pidfd), ..])) => {
                        end_helper(helper);
                        self.stage = Stage::Running(pidfd);
                        if self.viewer.is_none() {
                            self.hang_up();
                        }
                    }
                    Ok((n @ 1.., _)) => {
                        end_helper(helper);
                        let failure = Failure::from_child(&bytes[..n]);
                        let error = std::io::Error::from_raw_os_error(failure.errno());
                        self.refuse(&format!("failed to {}: {error}", failure.step()));
                    }
                    Ok(_) | Err(_) => {
                        end_helper(helper);
                        self.has_lost_its_command = true;
                        self.refuse("it was ended before it could begin");
                    }
                }
            }
            Stage::Running(pidfd) => {
                if let Some(code) = exit_code(pidfd) {
                    self.stage = Stage::Ended(code);
                    self.terminal.release_slave();
                }
            }
            Stage::Ended(_) => {}
        }
    }

    fn refuse(&mut self, why: &str) {
        self.terminal = Terminal::CLOSED;
        self.pending = self.viewer.is_some().then(|| (true, format!("kiste: {why}\n").into_bytes()));
        self.stage = Stage::Ended(NOT_STARTED);
    }

    fn read_viewer(&mut self) {
        let Some(viewer) = self.viewer.as_ref().filter(|_| self.input.len() < DATA_MAX) else { return };
        let mut buffer = [0; DATA_MAX + 1];
        match Frame::recv(viewer.as_fd(), &mut buffer, RecvFlags::DONTWAIT) {
            Ok(Some(Frame::Data(data))) if !self.has_input_ended => self.input.extend_from_slice(data),
            Ok(Some(Frame::Resize(TermSize { cols, rows }))) => {
                if let Terminal::Pty { master, .. } = &self.terminal {
                    let _ = pty::set_size(master.as_fd(), cols, rows);
                }
            }
            Ok(Some(Frame::EndOfInput)) => match &self.terminal {
                // End of transmission, as typed.
                Terminal::Pty { .. } => self.input.push(4),
                Terminal::Pipes { .. } => self.has_input_ended = true,
            },
            Ok(Some(_)) | Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(None) | Err(_) => self.hang_up(),
        }
    }

    fn write_input(&mut self) {
        if let Some(input) = self.terminal.input().filter(|_| !self.input.is_empty()) {
            match rustix::io::write(input, &self.input) {
                Ok(n) => drop(self.input.drain(..n)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => {
                    self.input.clear();
                    self.terminal.close_input();
                }
            }
        }
        if self.terminal.input().is_none() {
            self.input.clear();
        }
        if self.has_input_ended && self.input.is_empty() {
            self.terminal.close_input();
        }
    }

    /// Passes output on; `true` when there is none left for now.
    fn pass_output(&mut self) -> bool {
        for _ in 0..PIECES {
            if !self.send_pending() {
                return false;
            }
            if !self.read_output() {
                return true;
            }
        }
        false
    }

    /// `true` when nothing is pending any more.
    fn send_pending(&mut self) -> bool {
        let (Some((is_error, data)), Some(viewer)) = (&self.pending, &self.viewer) else {
            self.pending = None;
            return true;
        };
        let frame = if *is_error { Frame::ErrorData(data) } else { Frame::Data(data) };
        match frame.send(viewer.as_fd(), SendFlags::DONTWAIT) {
            Err(Errno::AGAIN) => return false,
            Err(_) => self.hang_up(),
            Ok(()) => self.pending = None,
        }
        true
    }

    /// Reads one piece of output into `pending`; `false` when there is none now.
    fn read_output(&mut self) -> bool {
        self.is_error_first = !self.is_error_first;
        let first = self.is_error_first;
        self.read_source(first) || self.read_source(!first)
    }

    fn read_source(&mut self, is_error: bool) -> bool {
        let Some(source) = self.terminal.outputs()[usize::from(is_error)] else { return false };
        let mut buffer = [0; 4096];
        match rustix::io::read(source, &mut buffer) {
            Ok(n @ 1..) => {
                self.pending = Some((is_error, buffer[..n].to_vec()));
                return true;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(_) | Err(_) => self.terminal.close_output(is_error),
        }
        false
    }
}

/// The helper has said its word; it may be frozen before its own end, which a kill overrides.
fn end_helper(helper: &OwnedFd) {
    let _ = process::signal_pidfd(helper.as_fd(), 9);
    reap(helper.as_fd());
}

fn exit_code(pidfd: &OwnedFd) -> Option<u8> {
    use rustix::process::{WaitId, WaitIdOptions};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let code = match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(None) | Err(Errno::INTR) => return None,
        Ok(Some(status)) => {
            status.exit_status().or_else(|| status.terminating_signal().map(|s| 128 + s)).unwrap_or(255)
        }
        Err(_) => 255,
    };
    Some(u8::try_from(code).unwrap_or(255))
}
