//! dnsmasq, one process a bridge: DHCP with fixed addresses, and names; dnsmasq(8).
//!
//! It reads its entries from two files again on SIGHUP. It outlives the engine and is found again by
//! its configuration file's name in its command line together with its executable, never by a pid file.

use std::{
    fmt::Write as _,
    fs, io,
    net::Ipv4Addr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::{Endpoint, NetworkError, NetworkSpec};

const PROGRAM: &str = "/usr/sbin/dnsmasq";

fn folder(spec: &NetworkSpec) -> PathBuf {
    spec.run_dir.join("dnsmasq")
}

fn config_argument(spec: &NetworkSpec) -> String {
    format!("--conf-file={}", folder(spec).join("dnsmasq.conf").display())
}

/// The running server, held so that its number cannot come to mean another process.
#[derive(Debug)]
pub(crate) struct Server {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Server {
    /// Makes it read its entries again; that it has ended is no error.
    pub(crate) fn reload(&self) -> Result<(), NetworkError> {
        match pidfd_send_signal(&self.pidfd, Signal::HUP) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(e) => Err(NetworkError::Dnsmasq(io::Error::from(e).to_string())),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.ends_within(0)
    }

    fn ends_within(&self, seconds: i64) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }
}

/// Starts the server, or makes a running one read its entries again.
pub(crate) fn ensure(spec: &NetworkSpec) -> Result<Server, NetworkError> {
    if let Some(server) = find(spec) {
        server.reload()?;
        return Ok(server);
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
    let server = find(spec).ok_or_else(|| NetworkError::Dnsmasq("it ended at once".into()))?;
    if let Some(group) = &spec.server_cgroup {
        let _ = fs::create_dir(group);
        if let Err(error) = fs::write(group.join("cgroup.procs"), server.pid.as_raw_nonzero().to_string()) {
            tracing::warn!(%error, "dnsmasq stays in the engine's cgroup");
        }
    }
    Ok(server)
}

/// Makes the server forget who had an address. One that was killed gives nothing back, and the next container with
/// that address would get none for as long as the lease lasts. A running server cannot be told: it is started anew.
pub(crate) fn release(
    spec: &NetworkSpec,
    server: Option<Server>,
    address: Ipv4Addr,
) -> Result<Option<Server>, NetworkError> {
    let path = folder(spec).join("leases");
    let leases = fs::read_to_string(&path).unwrap_or_default();
    // Expiry, Ethernet address, address, name, client id.
    let is_its = |line: &&str| line.split(' ').nth(2) == Some(address.to_string().as_str());
    if !leases.lines().any(|line| is_its(&line)) {
        return Ok(server);
    }
    if let Some(server) = server {
        let _ = pidfd_send_signal(&server.pidfd, Signal::TERM);
        server.ends_within(5);
    }
    let others: String = leases.lines().filter(|line| !is_its(line)).flat_map(|line| [line, "\n"]).collect();
    write(&path, &others)?;
    ensure(spec).map(Some)
}

/// Ends the server and removes its files.
pub(crate) fn stop(spec: &NetworkSpec, server: Option<Server>) {
    if let Some(server) = server.or_else(|| find(spec)) {
        let _ = pidfd_send_signal(&server.pidfd, Signal::TERM);
        server.ends_within(5);
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

/// Writes the entries for exactly these containers.
pub(crate) fn write_hosts<'a>(
    spec: &NetworkSpec,
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> Result<(), NetworkError> {
    let dir = folder(spec);
    fs::create_dir_all(&dir).map_err(|e| NetworkError::File(dir.clone(), e))?;
    let (mut dhcp, mut hosts) = (String::new(), String::new());
    for Endpoint { name, nic, .. } in endpoints {
        // Those in a LAN are its own server's affair.
        let Some(address) = nic.own_address() else { continue };
        // Writing to a String cannot fail.
        let _ = writeln!(dhcp, "{},{address},{name}", nic.mac);
        let _ = writeln!(hosts, "{address} {name}");
    }
    write(&dir.join("dhcp-hosts"), &dhcp)?;
    write(&dir.join("hosts"), &hosts)
}

/// The running server of this bridge. A process is held first and looked at then.
fn find(spec: &NetworkSpec) -> Option<Server> {
    let wanted = config_argument(spec);
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let program = fs::read_link(entry.path().join("exe")).ok()?;
        if program != Path::new(PROGRAM) {
            return None;
        }
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let is_ours = line.split(|b| *b == 0).any(|word| word == wanted.as_bytes());
        is_ours.then_some(Server { pid, pidfd })
    })
}
