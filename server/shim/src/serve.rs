//! The loop: waits for the pty, viewers, commands, requests and the end of init.
//!
//! It survives the engine: nothing here waits for anybody. A reboot from inside relaunches from the
//! stored plan; after any other end it stays until its exit record has been collected.

use std::{
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
    time::{Duration, Instant},
};

use linux::process::SingleThreaded;
use protocol::shim::{ExitRecord, LaunchFailure, ShimInfo, ShimPlan, ShimReply, ShimRequest, VERSION};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use crate::{
    console::Console,
    control::Control,
    exec::{self, Session},
    failure::{At, Failure},
    launch::{self, Init},
    tree::Tree,
};

/// A container that reboots this many times in a row, each within `QUICK_REBOOT` of its launch, is
/// stopped: every launch is work of the host that no limit of the container counts.
const QUICK_REBOOTS_MAX: u32 = 10;
const QUICK_REBOOT: Duration = Duration::from_secs(1);
/// What viewers of an adopted container see first.
const LOST: &str = "[kiste] The process that kept this console had died: what was said before is lost.\r\n";
const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;

/// A container's parent.
#[derive(Debug)]
pub(crate) struct Shim {
    proof: SingleThreaded,
    plan: ShimPlan,
    /// Absent when init was adopted.
    tree: Option<Tree>,
    init: Init,
    control: Control,
    console: Console,
    sessions: Vec<Session>,
    reboots: u32,
    quick_reboots: u32,
    launched: Instant,
    exit: Option<ExitRecord>,
    is_console_dead: bool,
    is_collected: bool,
}

/// What became readable or writable, by owner.
#[derive(Debug, Default)]
struct Ready {
    listener: bool,
    connections: Vec<usize>,
    init: bool,
    pty: bool,
    viewers: Vec<usize>,
    viewer_room: bool,
    sessions: bool,
}

impl Shim {
    pub(crate) fn new(
        proof: SingleThreaded,
        plan: ShimPlan,
        tree: Option<Tree>,
        init: Init,
        listener: OwnedFd,
    ) -> Result<Self, Failure> {
        rustix::io::ioctl_fionbio(&init.console, true).at("prepare the console")?;
        let mut console = Console::new(plan.scrollback_bytes);
        if tree.is_none() {
            console.note(LOST);
        }
        let control = Control::new(listener);
        Ok(Self {
            proof,
            plan,
            tree,
            init,
            control,
            console,
            sessions: Vec::new(),
            reboots: 0,
            quick_reboots: 0,
            launched: Instant::now(),
            exit: None,
            is_console_dead: false,
            is_collected: false,
        })
    }

    /// Who and what this is.
    pub(crate) fn info(&self) -> ShimInfo {
        ShimInfo {
            version: VERSION,
            vmid: self.plan.vmid,
            init_pid: self.init.pid.as_raw_nonzero().get(),
            init_start_ticks: self.init.start_ticks,
            reboots: self.reboots,
            exit: self.exit.clone(),
            is_adopted: self.tree.is_none(),
        }
    }

    /// Serves until the exit record has been collected.
    pub(crate) fn serve(mut self) -> ExitCode {
        while !self.is_collected {
            let Ok(ready) = self.wait() else { return ExitCode::FAILURE };
            if ready.pty {
                self.serve_pty();
            }
            if ready.viewer_room {
                self.console.flush();
            }
            for index in ready.viewers.into_iter().rev() {
                self.console.read_viewer(index, self.init.console.as_fd());
            }
            if ready.sessions {
                self.advance_sessions();
            }
            for index in ready.connections.into_iter().rev() {
                self.answer(index);
            }
            if ready.listener {
                self.control.accept();
            }
            if ready.init {
                self.init_ended();
            }
        }
        ExitCode::SUCCESS
    }

    fn advance_sessions(&mut self) {
        let mut has_lost = false;
        self.sessions.retain_mut(|session| {
            let stays = session.advance();
            has_lost |= session.has_lost_its_command();
            stays
        });
        if has_lost {
            let known: Vec<i32> = self.sessions.iter().filter_map(Session::pid).collect();
            let init = self.init.pid.as_raw_nonzero().get();
            self.sessions.extend(exec::find_strays(|pid| pid == init || known.contains(&pid)));
        }
    }

    /// The kernel hangs the terminal up when a session leader with it ends, as at each logout: our
    /// slave end is dead then, and the master says so over and over until somebody opens a new one.
    fn serve_pty(&mut self) {
        let master = self.init.console.as_fd();
        if let Err(Errno::IO) = self.console.read_pty(master) {
            match linux::pty::open_slave(master) {
                Ok(slave) => self.init.console_slave = slave,
                Err(_) => self.is_console_dead = true,
            }
        }
        self.console.write_pty(self.init.console.as_fd());
    }

    fn wait(&self) -> rustix::io::Result<Ready> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(16);
        let watch = |fd, flags| PollFd::from_borrowed_fd(fd, flags);
        fds.extend(self.control.sockets().map(|fd| watch(fd, PollFlags::IN)));
        let after_control = fds.len();
        if self.exit.is_none() {
            let room = if self.console.has_input() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(watch(self.init.pidfd.as_fd(), PollFlags::IN));
            if !self.is_console_dead {
                fds.push(watch(self.init.console.as_fd(), PollFlags::IN | room));
            }
        }
        let after_init = fds.len();
        fds.extend(self.console.sockets().map(|(fd, flags)| watch(fd, flags)));
        let after_viewers = fds.len();
        for session in &self.sessions {
            fds.extend(session.readable().into_iter().map(|fd| watch(fd, PollFlags::IN)));
            fds.extend(session.writable().into_iter().map(|fd| watch(fd, PollFlags::OUT)));
        }
        rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
        let hit = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let is_writable = |fd: &PollFd<'_>| fd.revents().contains(PollFlags::OUT);
        let heard = |fd: &PollFd<'_>| !(fd.revents() - PollFlags::OUT).is_empty();
        let viewers = &fds[after_init..after_viewers];
        Ok(Ready {
            listener: hit(&fds[0]),
            connections: (0..after_control - 1).filter(|i| hit(&fds[i + 1])).collect(),
            init: after_init > after_control && hit(&fds[after_control]),
            pty: after_init > after_control + 1 && hit(&fds[after_control + 1]),
            viewers: (0..viewers.len()).filter(|i| heard(&viewers[*i])).collect(),
            viewer_room: viewers.iter().any(is_writable),
            sessions: fds[after_viewers..].iter().any(hit),
        })
    }

    fn answer(&mut self, index: usize) {
        let Some(request) = self.control.receive(index) else { return };
        if matches!(request, ShimRequest::Subscribe) {
            self.control.subscribe(index);
        }
        if matches!(request, ShimRequest::Collect) {
            self.is_collected = self.exit.is_some();
        }
        let reply = self.fulfil(request).map_err(LaunchFailure::from);
        self.control.reply(index, reply);
    }

    fn fulfil(&mut self, request: ShimRequest) -> Result<(ShimReply, Option<OwnedFd>), Failure> {
        match request {
            ShimRequest::Info => Ok((ShimReply::Info(self.info()), None)),
            ShimRequest::OpenConsole(size) => {
                self.require_running()?;
                let (near, far) = linux::rights::packet_pair().at("make a viewer")?;
                let _ = linux::pty::set_size(self.init.console.as_fd(), size.cols, size.rows);
                self.console.add_viewer(near).at("add a viewer: there are too many")?;
                Ok((ShimReply::Viewer, Some(far)))
            }
            ShimRequest::Exec(plan) => {
                self.require_running()?;
                if self.sessions.len() >= exec::SESSIONS_MAX {
                    return Err(Failure::plain("run a command: too many are running"));
                }
                let (session, far) = exec::start(self.proof, &self.plan, &self.init, &plan)?;
                self.sessions.push(session);
                Ok((ShimReply::Viewer, Some(far)))
            }
            ShimRequest::SignalInit(signal) => {
                self.require_running()?;
                linux::process::signal_pidfd(self.init.pidfd.as_fd(), signal).at("signal init")?;
                Ok((ShimReply::Done, None))
            }
            ShimRequest::RevokeViewers => {
                self.console.revoke();
                self.sessions.iter_mut().for_each(Session::hang_up);
                Ok((ShimReply::Done, None))
            }
            ShimRequest::ReplacePlan(plan) => {
                self.plan = *plan;
                Ok((ShimReply::Done, None))
            }
            ShimRequest::Subscribe | ShimRequest::Collect => Ok((ShimReply::Done, None)),
        }
    }

    fn require_running(&self) -> Result<(), Failure> {
        if self.exit.is_none() { Ok(()) } else { Err(Failure::plain("reach init: it has ended")) }
    }

    fn init_ended(&mut self) {
        let status = launch::reap(self.init.pidfd.as_fd());
        while matches!(self.console.read_pty(self.init.console.as_fd()), Ok(1..)) {}
        let signal = status.as_ref().and_then(rustix::process::WaitIdStatus::terminating_signal);
        let code = status.as_ref().and_then(rustix::process::WaitIdStatus::exit_status);
        self.sessions.iter_mut().for_each(Session::give_up_start);
        self.exit = match (signal, code) {
            (Some(SIGHUP), _) => self.relaunch().err().map(|f| ExitRecord::RelaunchFailed(f.into())),
            (Some(SIGINT), _) | (_, Some(0)) => Some(ExitRecord::PoweredOff),
            (Some(signal), _) => Some(ExitRecord::Killed(signal)),
            (None, code) => Some(ExitRecord::Exited(code.unwrap_or(-1))),
        };
        // Commands inside died with init; what they said last still goes out.
        self.advance_sessions();
        if self.exit.is_some() {
            self.console.end();
        }
        let info = self.info();
        self.control.tell(&info);
    }

    /// The kernel ends init by SIGHUP when reboot(2) is called inside (pid_namespaces(7)).
    fn relaunch(&mut self) -> Result<(), Failure> {
        let tree = self.tree.as_ref().ok_or_else(|| Failure::plain("find the container's tree"))?;
        let is_quick = self.launched.elapsed() < QUICK_REBOOT;
        self.quick_reboots = if is_quick { self.quick_reboots + 1 } else { 0 };
        if self.quick_reboots > QUICK_REBOOTS_MAX {
            return Err(Failure::plain("launch again: it reboots as soon as it is up"));
        }
        launch::clear_cgroup(&self.plan.cgroup)?;
        self.init = launch::launch(self.proof, &self.plan, tree)?;
        rustix::io::ioctl_fionbio(&self.init.console, true).at("prepare the console")?;
        self.launched = Instant::now();
        self.is_console_dead = false;
        self.reboots += 1;
        Ok(())
    }
}
