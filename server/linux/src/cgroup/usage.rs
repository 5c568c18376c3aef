//! Reading what a group uses. A file that is missing or crooked counts as zero.

use std::{fs, path::Path};

use super::Group;

/// One reading of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupUsage {
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Memory with cache, bytes.
    pub memory: u64,
    /// Of that, cache that can be dropped at once.
    pub inactive_file: u64,
    /// The most there ever was.
    pub memory_peak: u64,
    /// Swap, bytes.
    pub swap: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Processes ended for want of memory.
    pub oom_kills: u64,
    /// Texts of `cpu.pressure`, `memory.pressure`, `io.pressure`.
    pub pressure: [String; 3],
}

impl Group {
    /// Reads the figures.
    #[must_use]
    pub fn usage(&self) -> GroupUsage {
        let v2 = self.v2();
        let pressure = ["cpu.pressure", "memory.pressure", "io.pressure"].map(|f| text(&v2.join(f)));
        let cpu_us = value(&text(&v2.join("cpu.stat")), "usage_usec");
        let usage = GroupUsage { cpu_us, pressure, ..GroupUsage::default() };
        let pids = self.v1("pids").unwrap_or(v2);
        let usage = GroupUsage { pids: number(&pids.join("pids.current")), ..usage };
        let Some(memory) = self.v1("memory") else {
            let events = text(&v2.join("memory.events"));
            return GroupUsage {
                memory: number(&v2.join("memory.current")),
                inactive_file: value(&text(&v2.join("memory.stat")), "inactive_file"),
                memory_peak: number(&v2.join("memory.peak")),
                swap: number(&v2.join("memory.swap.current")),
                oom_kills: value(&events, "oom_kill"),
                ..usage
            };
        };
        let stat = text(&memory.join("memory.stat"));
        GroupUsage {
            memory: number(&memory.join("memory.usage_in_bytes")),
            inactive_file: value(&stat, "total_inactive_file"),
            memory_peak: number(&memory.join("memory.max_usage_in_bytes")),
            swap: value(&stat, "total_swap"),
            oom_kills: value(&text(&memory.join("memory.oom_control")), "oom_kill"),
            ..usage
        }
    }
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn number(file: &Path) -> u64 {
    text(file).trim().parse().unwrap_or(0)
}

fn value(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' '));
    line.and_then(|v| v.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_matched_whole() {
        let stat = "oom_kill_disable 0\noom_kill 3\n";
        assert_eq!(value(stat, "oom_kill"), 3);
        assert_eq!(value("garbage", "oom_kill"), 0);
        assert_eq!(value("oom_kill x\n", "oom_kill"), 0);
    }
}
