//! Commands inside a running container: enter, become the user, exec.
//!
//! Two processes are cloned: the first joins the container's cgroups and namespaces, the second is
//! born in its pid namespace, as a child of the shim. User names are looked up inside, by a process
//! that has already lost every right outside. The shim is single-threaded, so its clones may allocate.
//! It never waits for either: a container can freeze the cgroup that they are born in.

mod entered;
mod session;

use std::os::fd::{AsFd, OwnedFd};

use linux::{
    process::{self, CloneArgs, Cloned, SingleThreaded},
    pty, rights,
};
use protocol::{
    shim::{ExecPlan, ShimPlan},
    viewer::TermSize,
};
use rustix::pipe::PipeFlags;

use crate::{
    failure::{At, Failure},
    launch::{Cgroups, Init},
};

pub(crate) use session::Session;
use session::{Stage, Terminal};

/// Most commands at a time.
pub(crate) const SESSIONS_MAX: usize = 64;

/// The ends that the command gets.
struct Ends {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Starts a command; gives the session and the viewer's end. Whether it got as far as its exec is said
/// on the viewer, as output and exit code 126.
pub(crate) fn start(
    proof: SingleThreaded,
    plan: &ShimPlan,
    init: &Init,
    exec: &ExecPlan,
) -> Result<(Session, OwnedFd), Failure> {
    let (terminal, ends) = open_terminal(plan, init, exec.pty)?;
    let cgroups = Cgroups::open(&plan.cgroup, Some("kiste-exec"))?;
    let (viewer, far) = rights::packet_pair().at("make a viewer")?;
    let (ours, theirs) = rights::packet_pair().at("make a socket pair")?;
    rustix::io::ioctl_fionbio(&ours, true).at("prepare a socket pair")?;
    let args = CloneArgs { cgroup: Some(cgroups.v2.as_fd()), ..CloneArgs::default() };
    match process::clone_process(proof, args).at("clone a command")? {
        Cloned::Child => {
            drop(ours);
            let stdio = (ends.stdin.as_fd(), ends.stdout.as_fd(), ends.stderr.as_fd());
            entered::enter(
                proof,
                &entered::Work { plan, exec, cgroups: &cgroups, init, stdio },
                theirs.as_fd(),
            )
        }
        Cloned::Parent { pidfd, .. } => {
            let stage = Stage::Entering { helper: pidfd, socket: ours };
            Ok((Session::new(stage, terminal, viewer), far))
        }
    }
}

/// Commands whose helper was killed before it could hand them over: children that nobody knows. They
/// are ended, since a dead one that is not collected would keep its whole container from ending.
pub(crate) fn find_strays(is_known: impl Fn(i32) -> bool) -> Vec<Session> {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let strays = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    strays
        .filter(|pid| !is_known(*pid))
        .filter_map(rustix::process::Pid::from_raw)
        .filter_map(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok())
        .map(|pidfd| {
            let _ = process::signal_pidfd(pidfd.as_fd(), 9);
            Session::without_viewer(pidfd)
        })
        .collect()
}

fn open_terminal(plan: &ShimPlan, init: &Init, size: Option<TermSize>) -> Result<(Terminal, Ends), Failure> {
    let copy = |fd: &OwnedFd| fd.try_clone().at("copy a descriptor");
    // Made outside they belong to an id the container has not, and could not be opened again through
    // /dev/stdout. Its root gets them, and hands them on to the user.
    let (base, devpts) = (plan.id_map.base().0, init.devpts.as_fd());
    let hand_over = |fd: &OwnedFd, group: u32| {
        let (uid, gid) = (rustix::fs::Uid::from_raw(base), rustix::fs::Gid::from_raw(base + group));
        rustix::fs::fchown(fd, Some(uid), Some(gid)).at("hand over the terminal")
    };
    if let Some(TermSize { cols, rows }) = size {
        let (master, slave) = pty::open_pair(devpts).at("open a terminal")?;
        let _ = pty::set_size(master.as_fd(), cols, rows);
        rustix::io::ioctl_fionbio(&master, true).at("prepare the terminal")?;
        hand_over(&slave, 5)?;
        let ends = Ends { stdin: copy(&slave)?, stdout: copy(&slave)?, stderr: copy(&slave)? };
        return Ok((Terminal::Pty { master, slave: Some(slave) }, ends));
    }
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at("make a pipe");
    let ((stdin, our_in), (our_out, stdout), (our_err, stderr)) = (pipe()?, pipe()?, pipe()?);
    for end in [&our_in, &our_out, &our_err] {
        rustix::io::ioctl_fionbio(end, true).at("prepare a pipe")?;
        hand_over(end, 0)?;
    }
    let terminal = Terminal::Pipes { stdin: Some(our_in), stdout: Some(our_out), stderr: Some(our_err) };
    Ok((terminal, Ends { stdin, stdout, stderr }))
}
