//! One reading of a running container.

use std::{fs, sync::OnceLock, time::Instant};

use model::{
    Bytes, Vmid,
    stats::{ContainerStats, Pressure},
};

use crate::Runtime;

impl Runtime {
    /// Reads the figures. `host_interface` is the host end of its interface: what that sent, the
    /// container received.
    #[must_use]
    pub fn stats(&self, vmid: Vmid, init_start_ticks: u64, host_interface: &str) -> ContainerStats {
        let usage = self.groups.group(vmid.get()).usage();
        let [cpu, memory, io] = usage.pressure.map(|text| Pressure::parse(&text));
        ContainerStats {
            taken_us: monotonic_us(),
            cpu_usage_us: usage.cpu_us,
            memory_used: Bytes(usage.memory.saturating_sub(usage.inactive_file)),
            memory_cache: Bytes(usage.inactive_file),
            memory_peak: Bytes(usage.memory_peak),
            swap_used: Bytes(usage.swap),
            pids: usage.pids,
            oom_kills: usage.oom_kills,
            rx_bytes: counter(host_interface, "tx_bytes"),
            tx_bytes: counter(host_interface, "rx_bytes"),
            cpu_pressure: cpu,
            memory_pressure: memory,
            io_pressure: io,
            uptime_s: uptime_s(init_start_ticks),
        }
    }
}

fn counter(interface: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/sys/class/net/{interface}/statistics/{name}"));
    text.ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

fn monotonic_us() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since a process started; clock ticks are hundredths on every Linux of today.
fn uptime_s(start_ticks: u64) -> u64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split('.').next().and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
    seconds.saturating_sub(start_ticks / 100)
}
