//! The command's side: joins the container, becomes the user, execs.

use std::{
    ffi::CString,
    io::Read,
    os::fd::{AsFd, BorrowedFd},
};

use linux::{
    namespaces,
    process::{self, CloneArgs, Cloned, ExecStrings, SingleThreaded},
    rights,
};
use protocol::shim::{ExecPlan, ShimPlan};
use rustix::thread::Gid;

use crate::{
    failure::{At, Failure},
    launch::{Cgroups, Init, join_v1, shed_rights},
};

/// Largest /etc/passwd or /etc/group that is read; they belong to the container.
const FILE_MAX: u64 = 1024 * 1024;

/// What the command needs.
pub(super) struct Work<'a> {
    pub(super) plan: &'a ShimPlan,
    pub(super) exec: &'a ExecPlan,
    pub(super) cgroups: &'a Cgroups,
    pub(super) init: &'a Init,
    pub(super) stdio: (BorrowedFd<'a>, BorrowedFd<'a>, BorrowedFd<'a>),
}

/// First clone: joins cgroups and namespaces, then clones the command as its own sibling.
pub(super) fn enter(proof: SingleThreaded, work: &Work<'_>, socket: BorrowedFd<'_>) -> ! {
    // Before the container's rights are put on: raising limits and lowering the score needs the host's.
    for limit in &work.plan.rlimits {
        process::set_rlimit_clamped(rustix::process::getpid(), limit.resource, limit.soft, limit.hard);
    }
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    let joined = join_v1(work.cgroups)
        .and_then(|()| namespaces::join_all(work.init.pidfd.as_fd()).at("join the container"));
    let args = CloneArgs { is_sibling: true, ..CloneArgs::default() };
    match joined.and_then(|()| process::clone_process(proof, args).at("clone the command")) {
        Ok(Cloned::Child) => run(work),
        Ok(Cloned::Parent { pidfd, .. }) => {
            let sent = rights::send(socket, b"P", &[pidfd.as_fd()]);
            process::exit_now(i32::from(sent.is_err()))
        }
        Err(failure) => {
            let mut bytes = failure.errno().to_ne_bytes().to_vec();
            bytes.extend_from_slice(failure.step().as_bytes());
            let _ = rights::send(socket, &bytes, &[]);
            process::exit_now(1)
        }
    }
}

/// Second clone: everything here happens inside. Failures are told on standard error, as a shell does.
fn run(work: &Work<'_>) -> ! {
    let (code, text) = match become_command(work) {
        Err(Refusal { code, text }) => (code, text),
    };
    let _ = rustix::io::write(rustix::stdio::stderr(), format!("kiste: {text}\n").as_bytes());
    process::exit_now(code)
}

struct Refusal {
    code: i32,
    text: String,
}

impl From<Failure> for Refusal {
    fn from(f: Failure) -> Self {
        let error = std::io::Error::from_raw_os_error(f.errno());
        Self { code: 126, text: format!("failed to {}: {error}", f.step()) }
    }
}

fn become_command(work: &Work<'_>) -> Result<std::convert::Infallible, Refusal> {
    process::reset_signals();
    let (stdin, stdout, stderr) = work.stdio;
    if work.exec.pty.is_some() {
        process::adopt_terminal(stdin).at("take the terminal")?;
    } else {
        rustix::process::setsid().at("begin a session")?;
        process::replace_stdio(stdin, stdout, stderr).at("take the pipes")?;
    }
    // Closed for good before any path of the container is looked at: its files, the user's home among
    // them, could lead through /proc/self/fd to a folder of the host.
    process::close_from(3).at("close descriptors")?;
    namespaces::become_root_inside().at("become root inside")?;
    process::join_new_session_keyring();
    let user = find_user(work.exec.user.as_deref().unwrap_or("root"))?;
    let uid = rustix::fs::Uid::from_raw(user.uid);
    for end in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        rustix::fs::fchown(end, Some(uid), None).at("hand over the terminal")?;
    }
    shed_rights(work.plan)?;
    namespaces::become_user(user.uid, user.gid, &user.groups).at("become the user")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    enter_folder(work.exec.cwd.as_deref(), &user)?;
    exec(work, &user)
}

fn enter_folder(cwd: Option<&str>, user: &User) -> Result<(), Refusal> {
    let Some(cwd) = cwd else {
        let _ = rustix::process::chdir(user.home.as_str()).or_else(|_| rustix::process::chdir("/"));
        return Ok(());
    };
    rustix::process::chdir(cwd).map_err(|e| Refusal { code: 126, text: format!("cannot enter {cwd}: {e}") })
}

fn exec(work: &Work<'_>, user: &User) -> Result<std::convert::Infallible, Refusal> {
    let mut env: Vec<String> = work.plan.env.iter().filter(|e| e.starts_with("PATH=")).cloned().collect();
    env.push("container=lxc".into());
    env.push(format!("TERM={}", if work.exec.pty.is_some() { "xterm-256color" } else { "dumb" }));
    env.push(format!("HOME={}", user.home));
    env.push(format!("USER={}", user.name));
    env.push(format!("LOGNAME={}", user.name));
    env.push(format!("SHELL={}", user.shell));
    for entry in &work.exec.env {
        let key = entry.split_inclusive('=').next().unwrap_or_default();
        env.retain(|e| !e.starts_with(key));
        env.push(entry.clone());
    }
    let mut argv = work.exec.argv.clone();
    if argv.is_empty() {
        // A login shell, as `su -` gives it.
        argv = vec![user.shell.clone(), "-l".into()];
    }
    let command = argv.first().cloned().unwrap_or_default();
    let strings = |texts: &[String]| ExecStrings::new(texts).at("read the command");
    let (argv, prepared) = (strings(&argv)?, strings(&env)?);
    let path = env.iter().rev().find_map(|e| e.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
    let candidates: Vec<String> = if command.contains('/') {
        vec![command.clone()]
    } else {
        path.split(':').map(|dir| format!("{dir}/{command}")).collect()
    };
    let mut code = 127;
    for candidate in candidates {
        let Ok(candidate) = CString::new(candidate) else { continue };
        let error = process::exec(&candidate, &argv, &prepared);
        if error.kind() != std::io::ErrorKind::NotFound && error.kind() != std::io::ErrorKind::NotADirectory {
            code = 126;
        }
    }
    let why = if code == 127 { "command not found" } else { "cannot be executed" };
    Err(Refusal { code, text: format!("{command}: {why}") })
}

/// A user as the container's files describe it.
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
    groups: Vec<Gid>,
}

fn find_user(wanted: &str) -> Result<User, Refusal> {
    let passwd = read_bounded("/etc/passwd");
    let number = wanted.parse::<u16>().ok();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, uid, gid, _, home, shell] = fields.as_slice() else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u16>(), gid.parse::<u16>()) else { continue };
        if name == wanted || number == Some(uid) {
            let shell = if shell.is_empty() { "/bin/sh" } else { shell };
            return Ok(User {
                name: name.to_owned(),
                uid: uid.into(),
                gid: gid.into(),
                home: home.to_owned(),
                shell: shell.to_owned(),
                groups: groups_of(name, gid),
            });
        }
    }
    // A bare number needs no entry, and root is root also where there is no file.
    let uid = number.or((wanted == "root").then_some(0));
    let unknown = || Refusal { code: 126, text: format!("there is no user {wanted} in the container") };
    let uid = uid.ok_or_else(unknown)?.into();
    Ok(User {
        name: wanted.to_owned(),
        uid,
        gid: uid,
        home: "/".into(),
        shell: "/bin/sh".into(),
        groups: Vec::new(),
    })
}

fn groups_of(user: &str, primary: u16) -> Vec<Gid> {
    let group = read_bounded("/etc/group");
    let mut ids: Vec<u16> = vec![primary];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let &[_, _, gid, members] = fields.as_slice() else { continue };
        if let Ok(gid) = gid.parse()
            && members.split(',').any(|m| m == user)
            && !ids.contains(&gid)
        {
            ids.push(gid);
        }
    }
    ids.truncate(1024);
    ids.into_iter().map(|g| Gid::from_raw(g.into())).collect()
}

fn read_bounded(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(FILE_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
