//! What the host has and lacks.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use linux::memory::meminfo;
use model::{
    Bytes,
    finding::{Finding, FindingLevel},
    limits::HostCapacity,
};

/// Cores and memory of the host.
#[must_use]
pub fn capacity() -> HostCapacity {
    let cores =
        std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    HostCapacity { cores, memory: Bytes(meminfo("MemTotal")) }
}

/// Memory the host could hand out now.
#[must_use]
pub fn memory_available() -> Bytes {
    Bytes(meminfo("MemAvailable"))
}

/// Host-wide settings that many containers need, with the least value; raised, never lowered.
const SYSCTLS: [(&str, u64); 6] = [
    ("fs/inotify/max_user_instances", 65_536),
    ("fs/inotify/max_user_watches", 1_048_576),
    ("fs/inotify/max_queued_events", 65_536),
    ("kernel/keys/maxkeys", 20_000),
    ("kernel/keys/maxbytes", 2_000_000),
    ("net/ipv4/ip_forward", 1),
];

/// Raises the settings; those that could not be raised come back as findings. What a setting was before and is
/// now is added to `record` (`KEY BEFORE NOW` a line), for who takes it back.
#[must_use]
pub fn raise_sysctls(record: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, least) in SYSCTLS {
        let file = format!("/proc/sys/{key}");
        let before: u64 = fs::read_to_string(&file).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        if before >= least {
            continue;
        }
        match fs::write(&file, least.to_string()) {
            Ok(()) => note(record, &format!("{key} {before} {least}\n")),
            Err(_) => {
                let name = key.replace('/', ".");
                findings.push(Finding {
                    check: "sysctl".into(),
                    level: FindingLevel::Warning,
                    found: format!("{name} is {before} and could not be raised"),
                    mend: format!("set {name} = {least} on the host"),
                });
            }
        }
    }
    findings
}

fn note(record: &Path, line: &str) {
    let written = File::options().create(true).append(true).open(record);
    if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
        tracing::warn!(%error, "what a host setting was before could not be noted: {}", line.trim_end());
    }
}

/// Checks of the kernel.
#[must_use]
pub fn findings() -> Vec<Finding> {
    vec![kernel_version(), user_namespaces(), pressure()]
}

fn finding(check: &str, is_met: bool, level: FindingLevel, found: String, mend: &str) -> Finding {
    let (level, mend) = if is_met { (FindingLevel::Ok, "") } else { (level, mend) };
    Finding { check: check.into(), level, found, mend: mend.into() }
}

fn kernel_version() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release.split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mend = "install a kernel of 6.1 or newer, as Debian 12 has";
    finding("kernel", version >= (6, 1), FindingLevel::Blocker, format!("Linux {release}"), mend)
}

fn user_namespaces() -> Finding {
    let text = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let most: u64 = text.trim().parse().unwrap_or(0);
    let found = format!("up to {most} user namespaces");
    finding("user-namespaces", most > 0, FindingLevel::Blocker, found, "set user.max_user_namespaces above 0")
}

fn pressure() -> Finding {
    let is_on = fs::metadata("/proc/pressure/cpu").is_ok();
    let found = if is_on { "pressure figures are on" } else { "no pressure figures" };
    finding("pressure", is_on, FindingLevel::Warning, found.into(), "boot the kernel with psi=1")
}

/// `v2` or `hybrid`; `None` when there is no cgroup v2 tree.
#[must_use]
pub fn cgroup_layout() -> Option<&'static str> {
    let layout = linux::cgroup::Layout::detect().ok()?;
    Some(if layout.is_hybrid() { "hybrid" } else { "v2" })
}
