//! dnsmasq, one process a bridge: DHCP with fixed addresses, and names; dnsmasq(8).
//!
//! It reads its entries from two files again on SIGHUP. It outlives the engine and is found again by
//! its configuration file's name in its command line together with its executable, never by a pid file.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{Endpoint, NetworkError, NetworkSpec};

const PROGRAM: &str = "/usr/sbin/dnsmasq";

fn folder(spec: &NetworkSpec) -> PathBuf {
    spec.run_dir.join("dnsmasq")
}

fn config_argument(spec: &NetworkSpec) -> String {
    format!("--conf-file={}", folder(spec).join("dnsmasq.conf").display())
}

/// Starts the server, unless it runs.
pub(crate) fn ensure(spec: &NetworkSpec) -> Result<(), NetworkError> {
    if let Some(pid) = find(spec) {
        return signal(pid, Signal::HUP).map_err(|e| NetworkError::Dnsmasq(e.to_string()));
    }
    write_config(spec)?;
    let mut command = Command::new(PROGRAM);
    command.arg(config_argument(spec)).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    linux::spawn::with_default_signals(&mut command);
    // It goes to the background by itself once its sockets are bound, so this is an honest answer.
    let output = command.output().map_err(NetworkError::NoDnsmasq)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect();
        return Err(NetworkError::Dnsmasq(text));
    }
    if let (Some(group), Some(pid)) = (&spec.server_cgroup, find(spec)) {
        let _ = fs::create_dir(group);
        if let Err(error) = fs::write(group.join("cgroup.procs"), pid.as_raw_nonzero().to_string()) {
            tracing::warn!(%error, "dnsmasq stays in the engine's cgroup");
        }
    }
    Ok(())
}

/// Ends the server and removes its files.
pub(crate) fn stop(spec: &NetworkSpec) {
    if let Some(pid) = find(spec)
        && let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty())
    {
        let _ = pidfd_send_signal(&pidfd, Signal::TERM);
        let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        let patience = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
        let _ = rustix::event::poll(&mut fds, Some(&patience));
    }
    if let Some(group) = &spec.server_cgroup {
        let _ = fs::remove_dir(group);
    }
    let _ = fs::remove_dir_all(folder(spec));
}

fn write(path: &Path, text: &str) -> Result<(), NetworkError> {
    let beside = path.with_extension("new");
    let failed = |e| NetworkError::File(path.to_owned(), e);
    fs::write(&beside, text).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}

fn write_config(spec: &NetworkSpec) -> Result<(), NetworkError> {
    let dir = folder(spec);
    fs::create_dir_all(&dir).map_err(|e| NetworkError::File(dir.clone(), e))?;
    let lines = [
        format!("interface={}", spec.bridge),
        "bind-interfaces".into(),
        "except-interface=lo".into(),
        "no-ping".into(),
        "dhcp-authoritative".into(),
        "dhcp-rapid-commit".into(),
        format!(
            "dhcp-range={},static,{},1h",
            spec.subnet.network().network(),
            spec.subnet.network().netmask()
        ),
        format!("dhcp-hostsfile={}", dir.join("dhcp-hosts").display()),
        format!("dhcp-leasefile={}", dir.join("leases").display()),
        "no-hosts".into(),
        format!("addn-hosts={}", dir.join("hosts").display()),
        "domain=kiste.internal".into(),
        "expand-hosts".into(),
        "local=/kiste.internal/".into(),
        "pid-file=".into(),
        "user=root".into(),
        "log-facility=/dev/null".into(),
    ];
    write(&dir.join("dnsmasq.conf"), &(lines.join("\n") + "\n"))
}

/// Writes the entries and tells a running server.
pub(crate) fn write_hosts(spec: &NetworkSpec, endpoints: &[Endpoint]) -> Result<(), NetworkError> {
    let dir = folder(spec);
    fs::create_dir_all(&dir).map_err(|e| NetworkError::File(dir.clone(), e))?;
    let (mut dhcp, mut hosts) = (String::new(), String::new());
    for Endpoint { name, nic, .. } in endpoints {
        // Writing to a String cannot fail.
        let _ = writeln!(dhcp, "{},{},{name}", nic.mac, nic.address);
        let _ = writeln!(hosts, "{} {name}", nic.address);
    }
    write(&dir.join("dhcp-hosts"), &dhcp)?;
    write(&dir.join("hosts"), &hosts)?;
    match find(spec) {
        Some(pid) => signal(pid, Signal::HUP).map_err(|e| NetworkError::Dnsmasq(e.to_string())),
        None => Ok(()),
    }
}

/// The running server of this bridge.
fn find(spec: &NetworkSpec) -> Option<Pid> {
    let wanted = config_argument(spec);
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let is_ours = line.split(|b| *b == 0).any(|word| word == wanted.as_bytes());
        let program = fs::read_link(entry.path().join("exe")).ok()?;
        (is_ours && program == Path::new(PROGRAM)).then(|| Pid::from_raw(pid)).flatten()
    })
}

fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    Ok(pidfd_send_signal(&pidfd, signal)?)
}
