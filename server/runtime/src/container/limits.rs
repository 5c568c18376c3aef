//! Limits in the kernel's units, at start and live.

use std::io;

use linux::cgroup::GroupLimits;
use model::{Limits, Vmid};

use crate::Runtime;

impl Runtime {
    /// Writes limits of a running container. Gives what this host cannot enforce, in plain words.
    ///
    /// # Errors
    /// `EBUSY` when more memory is in use than a lowered limit allows.
    pub fn apply_limits(&self, vmid: Vmid, limits: &Limits) -> io::Result<Vec<String>> {
        self.groups.group(vmid.get()).apply(&self.group_limits(vmid, limits))
    }

    pub(crate) fn group_limits(&self, vmid: Vmid, limits: &Limits) -> GroupLimits {
        GroupLimits {
            memory_max: limits.memory_max.0,
            swap_max: limits.swap_max.0,
            cpu_quota: limits.cpu_quota_hundredths(),
            cpu_weight: limits.cpuunits,
            pids_max: limits.pids_max,
            cpus: limits.cores.map(|n| cpu_list(vmid.get(), n, self.cores)),
        }
    }
}

/// `count` of `all` CPUs, beginning where the container's number says, so that containers spread.
fn cpu_list(vmid: u32, count: u32, all: u32) -> String {
    let all = all.max(1);
    let cpus = (0..count.min(all)).map(|n| ((vmid + n) % all).to_string());
    cpus.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_spread_over_the_cpus() {
        assert_eq!(cpu_list(100, 1, 4), "0");
        assert_eq!(cpu_list(101, 2, 4), "1,2");
        assert_eq!(cpu_list(103, 2, 4), "3,0");
        assert_eq!(cpu_list(1, 8, 2), "1,0");
    }
}
