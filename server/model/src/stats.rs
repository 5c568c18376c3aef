//! What one container uses at one moment, as the kernel shows it.

use crate::Bytes;

/// One reading. Counters only grow while the container runs; rates come from two readings.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ContainerStats {
    /// Monotonic time of the reading, microseconds; only differences mean something.
    pub taken_us: u64,
    /// CPU time used, microseconds.
    pub cpu_usage_us: u64,
    /// Memory used without the page cache that can be dropped at once.
    pub memory_used: Bytes,
    /// Page cache in addition to that.
    pub memory_cache: Bytes,
    /// The most it ever used since its start.
    pub memory_peak: Bytes,
    /// Swap used.
    pub swap_used: Bytes,
    /// Processes and threads.
    pub pids: u64,
    /// Times the kernel ended a process for want of memory.
    pub oom_kills: u64,
    /// Bytes that the container received.
    pub rx_bytes: u64,
    /// Bytes that the container sent.
    pub tx_bytes: u64,
    /// Waiting for CPU.
    pub cpu_pressure: Pressure,
    /// Waiting for memory.
    pub memory_pressure: Pressure,
    /// Waiting for disks.
    pub io_pressure: Pressure,
    /// Seconds since init started.
    pub uptime_s: u64,
}

/// Pressure stall information, share of the last ten seconds in hundredths of a percent
/// (kernel documentation, accounting/psi).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Pressure {
    /// At least one task waited.
    pub some_avg10: u32,
    /// All tasks waited.
    pub full_avg10: u32,
}

impl Pressure {
    /// Parses a `*.pressure` file; what is missing is zero.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let line = |kind: &str| {
            let line = text.lines().find(|l| l.starts_with(kind))?;
            let value = line.split_ascii_whitespace().find_map(|w| w.strip_prefix("avg10="))?;
            let (whole, part) = value.split_once('.')?;
            Some(whole.parse::<u32>().ok()?.saturating_mul(100).saturating_add(part.get(..2)?.parse().ok()?))
        };
        Self { some_avg10: line("some").unwrap_or(0), full_avg10: line("full").unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_files_are_read_and_garbage_is_zero() {
        let text = "some avg10=12.34 avg60=1.00 avg300=0.00 total=1\nfull avg10=0.05 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(Pressure::parse(text), Pressure { some_avg10: 1234, full_avg10: 5 });
        for garbage in
            ["", "some", "some avg10=", "some avg10=x.y", "some avg10=1", "some avg10=9999999999.00"]
        {
            assert_eq!(Pressure::parse(garbage), Pressure::default(), "{garbage}");
        }
    }
}
