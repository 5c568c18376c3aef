//! The host's memory as /proc/meminfo tells it; proc_meminfo(5).

use std::fs;

/// A figure in bytes by its key, such as `MemAvailable`; 0 when it cannot be had.
#[must_use]
pub fn meminfo(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse(&text, key)
}

fn parse(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_whole_key() {
        let text = "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nMem: x\n";
        assert_eq!(
            ["MemTotal", "MemAvailable", "Mem", "SwapFree"].map(|k| parse(text, k)),
            [16 << 20, 8 << 20, 0, 0]
        );
    }
}
