//! What every container may do: capabilities, resource limits, the system call filter.
//!
//! The same for init and every command. Reasons: research on systemd's needs, design section 5.

use std::io;

use linux::seccomp::{Policy, compile};
use protocol::shim::RlimitPlan;

/// Capabilities that are taken out of the bounding set, with the reason. Units that ask for them are
/// then skipped cleanly; without a host-wide meaning inside a user namespace nothing is lost.
const DROPPED_CAPABILITIES: [(u32, &str); 9] = [
    (16, "sys_module: modules are the host's"),
    (17, "sys_rawio: raw memory and ports"),
    (25, "sys_time: the clock is the host's"),
    (30, "audit_control: not namespaced"),
    (32, "mac_override: security modules are the host's"),
    (33, "mac_admin: security modules are the host's"),
    (35, "wake_alarm: timers that wake the host"),
    (36, "block_suspend: the host's sleep"),
    (37, "audit_read: not namespaced"),
];

/// Calls that are refused, each with errno and reason.
const DENIED_CALLS: [(&str, i32, &str); 21] = [
    ("kexec_load", EPERM, "another kernel"),
    ("kexec_file_load", EPERM, "another kernel"),
    ("init_module", EPERM, "modules"),
    ("finit_module", EPERM, "modules"),
    ("delete_module", EPERM, "modules"),
    ("open_by_handle_at", EPERM, "files by number, past every path"),
    ("swapon", EPERM, "the host's swap"),
    ("swapoff", EPERM, "the host's swap"),
    ("iopl", EPERM, "ports"),
    ("ioperm", EPERM, "ports"),
    ("acct", EPERM, "process accounting of the host"),
    ("perf_event_open", EPERM, "the host's counters"),
    ("bpf", EPERM, "programs in the kernel"),
    ("userfaultfd", EPERM, "stops the kernel in the middle of a copy: a tool of exploits"),
    ("io_uring_setup", ENOSYS, "a second way into the kernel past this filter"),
    ("io_uring_enter", ENOSYS, "as above"),
    ("io_uring_register", ENOSYS, "as above"),
    ("lookup_dcookie", EPERM, "profiling of the host"),
    ("vhangup", EPERM, "terminals that are not ours"),
    ("nfsservctl", ENOSYS, "gone from the kernel"),
    (
        "socketcall",
        ENOSYS,
        "i386's multiplexer would pass the family rule; socket(2) is there since Linux 4.3",
    ),
];

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

/// Socket families a container needs: UNIX 1, INET 2, INET6 10, NETLINK 16, PACKET 17.
const ALLOWED_FAMILIES: [u64; 5] = [1, 2, 10, 16, 17];
/// Families from here up do not exist in any kernel we know.
const FAMILIES_END: u64 = 46;
/// Netlink protocols beside routing that a container needs: NETFILTER 12, KOBJECT_UEVENT 15, AUDIT 9
/// (the kernel refuses it in a way programs understand), GENERIC 16, SOCK_DIAG 4, ROUTE 0.
const ALLOWED_NETLINK: [u64; 6] = [0, 4, 9, 12, 15, 16];
const NETLINK_END: u64 = 23;

/// Bits of the capabilities that stay.
#[must_use]
pub(crate) fn capabilities() -> u64 {
    DROPPED_CAPABILITIES.iter().fold(u64::MAX, |mask, (number, _)| mask & !(1 << number))
}

/// The compiled filter.
pub(crate) fn system_call_filter() -> io::Result<Vec<u8>> {
    compile(&Policy {
        denied: DENIED_CALLS.iter().map(|(name, errno, _)| (*name, *errno)).collect(),
        denied_families: (0..FAMILIES_END).filter(|f| !ALLOWED_FAMILIES.contains(f)).collect(),
        denied_netlink: (0..NETLINK_END).filter(|p| !ALLOWED_NETLINK.contains(p)).collect(),
        families_from: FAMILIES_END,
    })
}

/// Resource limits of init, not inherited from whatever started the engine (getrlimit(2)).
#[must_use]
pub(crate) fn rlimits() -> Vec<RlimitPlan> {
    let limit = |resource, soft, hard| RlimitPlan { resource, soft, hard };
    vec![
        limit(3, 8 << 20, u64::MAX),  // stack
        limit(4, 0, u64::MAX),        // core files: off until asked for inside
        limit(6, u64::MAX, u64::MAX), // processes: the cgroup's business
        limit(7, 1024, 1_048_576),    // open files
        limit(8, 64 << 20, 64 << 20), // locked memory
        limit(12, 819_200, 819_200),  // POSIX message queues
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_needs_stays() {
        let kept = capabilities();
        for number in [21, 7, 6, 12, 18, 22, 31] {
            assert!(kept & (1 << number) != 0, "capability {number}");
        }
        assert_eq!(kept & (1 << 16), 0);
    }

    #[test]
    fn the_filter_compiles_to_whole_instructions() {
        let program = system_call_filter().unwrap();
        assert!(!program.is_empty() && program.len().is_multiple_of(8) && program.len() / 8 < 4096);
    }
}
