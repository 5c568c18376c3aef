//! What the host has and lacks.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::AsFd as _,
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

/// Checks of the kernel that need no try.
#[must_use]
pub fn findings() -> Vec<Finding> {
    vec![kernel_version(), user_namespaces(), overlay(), seccomp(), pressure()]
}

/// Checks that try what a container will need, and leave nothing; `data_dir` may not exist yet. What this process
/// may not try (with threads, or without root) is left out.
#[must_use]
pub fn tried(data_dir: &Path) -> Vec<Finding> {
    [id_mapped_mounts(data_dir), controllers(), device_program()].into_iter().flatten().collect()
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

fn overlay() -> Finding {
    // The list has what is loaded only.
    let _ = linux::mount::load_filesystem(c"overlay");
    let list = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_there = list.lines().any(|line| line.split_ascii_whitespace().last() == Some("overlay"));
    let found = if is_there { "overlay is there" } else { "no overlay file system" };
    let mend = "load the module `overlay`, or use a kernel with CONFIG_OVERLAY_FS, as Debian's";
    finding("overlay", is_there, FindingLevel::Blocker, found.into(), mend)
}

fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let has = |action: &str| actions.split_ascii_whitespace().any(|a| a == action);
    let is_there = has("errno") && has("allow");
    let found = if is_there { "system call filters are there" } else { "no system call filters" };
    let mend = "use a kernel with CONFIG_SECCOMP_FILTER, as Debian's";
    finding("seccomp", is_there, FindingLevel::Blocker, found.into(), mend)
}

/// Shows the data folder through an id map, in a copy of its mount that is attached nowhere.
fn id_mapped_mounts(data_dir: &Path) -> Option<Finding> {
    let proof = linux::process::SingleThreaded::prove().ok()?;
    let folder = data_dir.ancestors().find(|p| p.is_dir())?;
    let tried = linux::mount::copy_mount(folder).and_then(|tree| {
        let namespace = linux::idmap::user_namespace(proof, "0 1879048192 65536")?;
        linux::idmap::map_tree(tree.as_fd(), namespace.as_fd())
    });
    let mend = "the file system of the data folder cannot show mapped ids: use ext4, xfs or btrfs";
    outcome(
        "id-mapped-mounts",
        FindingLevel::Blocker,
        &format!("an id map on {}", folder.display()),
        tried,
        mend,
    )
}

fn controllers() -> Option<Finding> {
    let missing = linux::cgroup::Layout::detect().ok()?.missing_controllers();
    let found = if missing.is_empty() {
        "all that carry limits".to_owned()
    } else {
        format!("{} missing: their limits are not enforced", missing.join(", "))
    };
    let mend = "boot without cgroup_disable=, on some boards with cgroup_enable=memory";
    Some(finding("controllers", missing.is_empty(), FindingLevel::Warning, found, mend))
}

/// On v2 groups only: v1 has a controller for devices.
fn device_program() -> Option<Finding> {
    if cgroup_layout()? != "v2" {
        return None;
    }
    let tried = linux::cgroup::try_device_program();
    let mend = "use a kernel with CONFIG_CGROUP_BPF, as Debian's";
    outcome("device-program", FindingLevel::Blocker, "a program that guards devices", tried, mend)
}

/// `None` when this process may not try.
fn outcome(
    check: &str,
    level: FindingLevel,
    what: &str,
    tried: io::Result<()>,
    mend: &str,
) -> Option<Finding> {
    match tried {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => None,
        Err(e) => Some(finding(check, false, level, format!("{what} does not work: {e}"), mend)),
        Ok(()) => Some(finding(check, true, level, format!("{what} works"), mend)),
    }
}

/// `v2` or `hybrid`; `None` when there is no cgroup v2 tree.
#[must_use]
pub fn cgroup_layout() -> Option<&'static str> {
    let layout = linux::cgroup::Layout::detect().ok()?;
    Some(if layout.is_hybrid() { "hybrid" } else { "v2" })
}
