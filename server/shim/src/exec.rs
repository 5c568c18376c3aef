//! Commands inside a running container: enter, become the user, exec; bytes to and from one viewer.
//!
//! Two processes are cloned: the first joins the container's cgroups and namespaces, the second is
//! born in its pid namespace, as a child of the shim. User names are looked up inside, by a process
//! that has already lost every right outside. The shim is single-threaded, so its clones may allocate.

mod entered;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use linux::{
    process::{self, CloneArgs, Cloned, SingleThreaded},
    pty, rights,
};
use protocol::{
    shim::{ExecPlan, ShimPlan},
    viewer::{DATA_MAX, Frame, TermSize},
};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags},
    pipe::PipeFlags,
};

use crate::{
    failure::{At, Failure},
    launch::{Cgroups, Init, reap},
};

/// Most commands at a time.
pub(crate) const SESSIONS_MAX: usize = 64;

/// Where a command's bytes go.
#[derive(Debug)]
enum Terminal {
    Pty(OwnedFd),
    Pipes { stdin: Option<OwnedFd>, stdout: Option<OwnedFd>, stderr: Option<OwnedFd> },
}

/// A running command and its viewer.
#[derive(Debug)]
pub(crate) struct Session {
    pidfd: OwnedFd,
    terminal: Terminal,
    viewer: Option<OwnedFd>,
    /// A frame's bytes that the viewer had no room for; nothing is read from the command meanwhile.
    pending: Option<(bool, Vec<u8>)>,
    input: Vec<u8>,
    exit: Option<u8>,
}

/// The ends that the command gets.
struct Ends {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Starts a command; gives the session and the viewer's end.
pub(crate) fn start(
    proof: SingleThreaded,
    plan: &ShimPlan,
    init: &Init,
    exec: &ExecPlan,
) -> Result<(Session, OwnedFd), Failure> {
    let (terminal, ends) = open_terminal(plan, init, exec.pty)?;
    let cgroups = Cgroups::open(&plan.cgroup, Some("kiste-exec"))?;
    let (ours, theirs) = rights::packet_pair().at("make a socket pair")?;
    let args = CloneArgs { cgroup: Some(cgroups.v2.as_fd()), ..CloneArgs::default() };
    let helper = match process::clone_process(proof, args).at("clone a command")? {
        Cloned::Child => {
            drop(ours);
            let stdio = (ends.stdin.as_fd(), ends.stdout.as_fd(), ends.stderr.as_fd());
            entered::enter(
                proof,
                &entered::Work { plan, exec, cgroups: &cgroups, init, stdio },
                theirs.as_fd(),
            )
        }
        Cloned::Parent { pidfd, .. } => pidfd,
    };
    drop((theirs, ends));
    let mut bytes = [0; 128];
    let received = rights::receive(ours.as_fd(), &mut bytes).at("wait for the command");
    reap(helper.as_fd());
    let (n, [pidfd, ..]) = received?;
    let pidfd = pidfd.ok_or_else(|| Failure::from_child(&bytes[..n]))?;
    let (viewer, far) = rights::packet_pair().at("make a viewer")?;
    let session =
        Session { pidfd, terminal, viewer: Some(viewer), pending: None, input: Vec::new(), exit: None };
    Ok((session, far))
}

fn open_terminal(plan: &ShimPlan, init: &Init, size: Option<TermSize>) -> Result<(Terminal, Ends), Failure> {
    let copy = |fd: &OwnedFd| fd.try_clone().at("copy a descriptor");
    if let Some(TermSize { cols, rows }) = size {
        let (master, slave) = pty::open_pair(init.devpts.as_fd()).at("open a terminal")?;
        let _ = pty::set_size(master.as_fd(), cols, rows);
        rustix::io::ioctl_fionbio(&master, true).at("prepare the terminal")?;
        // Opened from outside it belongs to an id the container has not; its root hands it on.
        let base = plan.id_map.base().0;
        let (uid, tty) = (rustix::fs::Uid::from_raw(base), rustix::fs::Gid::from_raw(base + 5));
        rustix::fs::fchown(&slave, Some(uid), Some(tty)).at("hand over the terminal")?;
        let ends = Ends { stdin: copy(&slave)?, stdout: copy(&slave)?, stderr: slave };
        return Ok((Terminal::Pty(master), ends));
    }
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at("make a pipe");
    let ((stdin, our_in), (our_out, stdout), (our_err, stderr)) = (pipe()?, pipe()?, pipe()?);
    for end in [&our_in, &our_out, &our_err] {
        rustix::io::ioctl_fionbio(end, true).at("prepare a pipe")?;
    }
    let terminal = Terminal::Pipes { stdin: Some(our_in), stdout: Some(our_out), stderr: Some(our_err) };
    Ok((terminal, Ends { stdin, stdout, stderr }))
}

impl Session {
    /// Descriptors to watch for reading.
    pub(crate) fn readable(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![];
        fds.extend(self.viewer.as_ref().filter(|_| self.input.len() < DATA_MAX).map(AsFd::as_fd));
        if self.exit.is_none() {
            fds.push(self.pidfd.as_fd());
        }
        if self.pending.is_none() {
            match &self.terminal {
                Terminal::Pty(master) => fds.push(master.as_fd()),
                Terminal::Pipes { stdout, stderr, .. } => {
                    fds.extend(stdout.iter().chain(stderr).map(AsFd::as_fd));
                }
            }
        }
        fds
    }

    /// Descriptors to watch for writing.
    pub(crate) fn writable(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![];
        fds.extend(self.viewer.as_ref().filter(|_| self.pending.is_some()).map(AsFd::as_fd));
        if !self.input.is_empty() {
            fds.extend(self.stdin());
        }
        fds
    }

    fn stdin(&self) -> Option<BorrowedFd<'_>> {
        match &self.terminal {
            Terminal::Pty(master) => Some(master.as_fd()),
            Terminal::Pipes { stdin, .. } => stdin.as_ref().map(AsFd::as_fd),
        }
    }

    /// Moves what can be moved; `false` when the session is over.
    pub(crate) fn advance(&mut self) -> bool {
        self.read_viewer();
        self.write_input();
        if self.exit.is_none() {
            self.exit = self.poll_exit();
        }
        while self.send_pending() && self.read_output() {}
        match (self.exit, &self.viewer, &self.pending) {
            (Some(_), None, _) => false,
            (Some(code), Some(viewer), None) => {
                // Everything it wrote before it ended is through. A full socket is asked again.
                Frame::Exit(code).send(viewer.as_fd(), SendFlags::DONTWAIT) == Err(Errno::AGAIN)
            }
            _ => true,
        }
    }

    fn poll_exit(&self) -> Option<u8> {
        use rustix::process::{WaitId, WaitIdOptions};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok()??;
        let code =
            status.exit_status().or_else(|| status.terminating_signal().map(|s| 128 + s)).unwrap_or(255);
        Some(u8::try_from(code).unwrap_or(255))
    }

    fn read_viewer(&mut self) {
        let Some(viewer) = &self.viewer else { return };
        let mut buffer = [0; DATA_MAX + 1];
        match Frame::recv(viewer.as_fd(), &mut buffer, RecvFlags::DONTWAIT) {
            Ok(Some(Frame::Data(data))) if self.input.len() < DATA_MAX => self.input.extend_from_slice(data),
            Ok(Some(Frame::Resize(TermSize { cols, rows }))) => {
                if let Terminal::Pty(master) = &self.terminal {
                    let _ = pty::set_size(master.as_fd(), cols, rows);
                }
            }
            Ok(Some(Frame::EndOfInput)) => match &mut self.terminal {
                // End of transmission, as typed.
                Terminal::Pty(_) => self.input.push(4),
                Terminal::Pipes { stdin, .. } if self.input.is_empty() => *stdin = None,
                Terminal::Pipes { .. } => {
                    self.write_input();
                    self.close_stdin();
                }
            },
            Ok(Some(_)) | Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(None) | Err(_) => self.hang_up(),
        }
    }

    fn close_stdin(&mut self) {
        if let Terminal::Pipes { stdin, .. } = &mut self.terminal {
            *stdin = None;
        }
    }

    /// The viewer is gone: the command hears it as a terminal that hung up.
    pub(crate) fn hang_up(&mut self) {
        self.viewer = None;
        self.pending = None;
        self.input.clear();
        self.close_stdin();
        let _ = process::signal_pidfd(self.pidfd.as_fd(), 1);
    }

    fn write_input(&mut self) {
        let Some(stdin) = self.stdin().filter(|_| !self.input.is_empty()) else { return };
        match rustix::io::write(stdin, &self.input) {
            Ok(n) => drop(self.input.drain(..n)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.input.clear();
                self.close_stdin();
            }
        }
    }

    /// `true` when nothing is pending any more.
    fn send_pending(&mut self) -> bool {
        let Some((is_error, data)) = &self.pending else { return true };
        let Some(viewer) = &self.viewer else {
            self.pending = None;
            return true;
        };
        let frame = if *is_error { Frame::ErrorData(data) } else { Frame::Data(data) };
        match frame.send(viewer.as_fd(), SendFlags::DONTWAIT) {
            Err(Errno::AGAIN) => false,
            Err(_) => {
                self.hang_up();
                true
            }
            Ok(()) => {
                self.pending = None;
                true
            }
        }
    }

    /// Reads one piece of output into `pending`; `false` when there is none now.
    fn read_output(&mut self) -> bool {
        [false, true].into_iter().any(|is_error| self.read_source(is_error))
    }

    fn read_source(&mut self, is_error: bool) -> bool {
        let source = match &self.terminal {
            Terminal::Pty(master) => Some(master).filter(|_| !is_error),
            Terminal::Pipes { stdout, stderr, .. } => {
                if is_error {
                    stderr.as_ref()
                } else {
                    stdout.as_ref()
                }
            }
        };
        let mut buffer = [0; 4096];
        match source.map(|fd| rustix::io::read(fd, &mut buffer)) {
            Some(Ok(n @ 1..)) => {
                self.pending = Some((is_error, buffer[..n].to_vec()));
                true
            }
            Some(Ok(0)) => {
                self.close_output(is_error);
                false
            }
            _ => false,
        }
    }

    fn close_output(&mut self, is_error: bool) {
        if let Terminal::Pipes { stdout, stderr, .. } = &mut self.terminal {
            *(if is_error { stderr } else { stdout }) = None;
        }
    }
}
