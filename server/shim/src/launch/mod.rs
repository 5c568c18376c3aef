//! Launching init: the parent's side. `child.rs` is the other side of the same conversation.
//!
//! The order, over one SEQPACKET pair:
//! 1. clone; the parent writes the id maps and limits → `GO`
//! 2. the child makes its network namespace → `NETNS`, and mounts on while the parent makes the NICs
//! 3. the child sends `CONSOLE` with the pty's master and its devpts
//! 4. the parent sends `GO`; the child sheds its rights and execs. The socket closing is success, a
//!    failure is errno and step as bytes.

mod child;
mod clear;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use linux::{
    namespaces::{self, CONTAINER_NAMESPACES},
    process::{self, CloneArgs, Cloned, ExecStrings, SingleThreaded},
    rights, rtnetlink,
};
use protocol::shim::{CgroupPlan, NicPlan, ShimPlan};
use rustix::{
    fs::{CWD, Mode, OFlags},
    process::Pid,
};

use crate::{
    failure::{At, Failure},
    tree::Tree,
};

pub(crate) use child::{join_v1, shed_rights};
pub(crate) use clear::clear_cgroup;

const GO: &[u8] = b"G";
const NETNS: &[u8] = b"N";
const CONSOLE: &[u8] = b"C";

/// A launched init.
#[derive(Debug)]
pub(crate) struct Init {
    /// Its id on the host.
    pub(crate) pid: Pid,
    /// Its handle.
    pub(crate) pidfd: OwnedFd,
    /// Start time in clock ticks since boot.
    pub(crate) start_ticks: u64,
    /// The console's master end.
    pub(crate) console: OwnedFd,
    /// One slave end kept open: without it the master reports an error whenever init closes its own,
    /// and systemd then waits a second for each line.
    pub(crate) console_slave: OwnedFd,
    /// Root of the container's devpts, for the ptys of exec.
    pub(crate) devpts: OwnedFd,
}

/// Open `tasks` files of v1 groups, and the v2 folder; by descriptor the child needs no right of its own.
#[derive(Debug)]
pub(crate) struct Cgroups {
    /// The v2 folder.
    pub(crate) v2: OwnedFd,
    /// `tasks` of each v1 group.
    pub(crate) v1_tasks: Vec<OwnedFd>,
}

impl Cgroups {
    /// Opens a plan's cgroups; `leaf` is made below the payload when it is given.
    pub(crate) fn open(plan: &CgroupPlan, leaf: Option<&str>) -> Result<Self, Failure> {
        let folder = leaf.map_or_else(|| plan.payload.clone(), |leaf| plan.payload.join(leaf));
        if leaf.is_some() {
            match rustix::fs::mkdirat(CWD, &folder, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(e).at("make a cgroup for commands"),
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let v2 = rustix::fs::openat(CWD, &folder, flags, Mode::empty()).at("open the cgroup")?;
        let open = |group: &std::path::PathBuf| {
            rustix::fs::openat(CWD, group.join("tasks"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                .at("open a v1 cgroup")
        };
        Ok(Self { v2, v1_tasks: plan.v1_groups.iter().map(open).collect::<Result<_, _>>()? })
    }
}

/// Launches init in the tree.
pub(crate) fn launch(proof: SingleThreaded, plan: &ShimPlan, tree: &Tree) -> Result<Init, Failure> {
    let cgroups = Cgroups::open(&plan.cgroup, None)?;
    let work = child::Work {
        argv: ExecStrings::new(&plan.init).at("prepare init's arguments")?,
        env: ExecStrings::new(&plan.env).at("prepare init's environment")?,
        plan,
        cgroups: &cgroups,
    };
    tree.enter()?;
    let (ours, theirs) = rights::packet_pair().at("make a socket pair")?;
    let args =
        CloneArgs { namespaces: CONTAINER_NAMESPACES, cgroup: Some(cgroups.v2.as_fd()), is_sibling: false };
    match process::clone_process(proof, args).at("clone init")? {
        Cloned::Child => {
            drop(ours);
            child::become_init(&work, theirs.as_fd())
        }
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let launched = guide(plan, pid, &ours);
            // Out of the container's tree again: its mounts must not be held by our current folder.
            let _ = rustix::process::chdir(c"/");
            match launched {
                Ok((console, devpts)) => {
                    let console_slave =
                        linux::pty::open_slave(console.as_fd()).at("hold the console open")?;
                    let start_ticks = start_ticks(pid)?;
                    Ok(Init { pid, pidfd, start_ticks, console, console_slave, devpts })
                }
                Err(failure) => {
                    let _ = process::signal_pidfd(pidfd.as_fd(), 9);
                    reap(pidfd.as_fd());
                    Err(failure)
                }
            }
        }
    }
}

fn guide(plan: &ShimPlan, pid: Pid, socket: &OwnedFd) -> Result<(OwnedFd, OwnedFd), Failure> {
    namespaces::write_id_maps(pid, &plan.id_map.map_line()).at("write the id maps")?;
    for limit in &plan.rlimits {
        process::set_rlimit_clamped(pid, limit.resource, limit.soft, limit.hard);
    }
    // Lowered for the shim, never for the container; a host that forbids the write had not lowered it.
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()), "0");
    rights::send(socket.as_fd(), GO, &[]).at("tell init to go on")?;
    expect(socket, NETNS)?;
    for nic in &plan.nics {
        make_nic(nic, pid)?;
    }
    let [Some(console), Some(devpts), ..] = expect(socket, CONSOLE)? else {
        return Err(Failure::plain("receive the console"));
    };
    rights::send(socket.as_fd(), GO, &[]).at("tell init to start")?;
    let mut bytes = [0; 128];
    match rights::receive(socket.as_fd(), &mut bytes).at("wait for init to start")? {
        (0, _) => Ok((console, devpts)),
        (n, _) => Err(child_failure(&bytes[..n], plan)),
    }
}

fn child_failure(bytes: &[u8], plan: &ShimPlan) -> Failure {
    let failure = Failure::from_child(bytes);
    let detail = if failure.step() == child::EXEC_STEP { plan.init.first().cloned() } else { None };
    failure.with(detail.unwrap_or_default())
}

/// Waits for a word of the child; anything else is its failure.
fn expect(socket: &OwnedFd, word: &[u8]) -> Result<[Option<OwnedFd>; rights::FDS_MAX], Failure> {
    let mut bytes = [0; 128];
    let (n, fds) = rights::receive(socket.as_fd(), &mut bytes).at("listen to init")?;
    match &bytes[..n] {
        got if got == word => Ok(fds),
        [] => Err(Failure::plain("listen to init").with("it ended before it was ready".to_owned())),
        got => Err(Failure::from_child(got)),
    }
}

fn make_nic(nic: &NicPlan, pid: Pid) -> Result<(), Failure> {
    let named = |f: Failure| f.with(nic.host_interface.clone());
    let mut message = nic.message.clone();
    let place = nic.netns_pid_offset;
    let Some(slot) = message.get_mut(place..place.saturating_add(4)) else {
        return Err(named(Failure::plain("read the interface's message")));
    };
    slot.copy_from_slice(&pid.as_raw_nonzero().get().to_ne_bytes());
    match rtnetlink::send(&message) {
        // Left behind by a container that was killed a moment ago.
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::EXIST.raw_os_error()) => {
            rtnetlink::delete_link(&nic.host_interface).at("delete an old interface").map_err(named)?;
            rtnetlink::send(&message).at("make the interface").map_err(named)
        }
        result => result.at("make the interface").map_err(named),
    }
}

/// Start time of a process, field 22 of proc_pid_stat(5).
pub(crate) fn start_ticks(pid: Pid) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .at("read init's start time")?;
    // The second field may hold spaces and brackets; nothing behind the last bracket does.
    let field = text.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19));
    field.and_then(|f| f.parse().ok()).ok_or_else(|| Failure::plain("read init's start time"))
}

/// Collects a child that has ended or is about to.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Option<rustix::process::WaitIdStatus> {
    use rustix::process::{WaitId, WaitIdOptions};
    rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED))
        .ok()
        .flatten()
}
