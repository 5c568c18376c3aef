//! What a container may use at most, and the one rule that checks it against the host.

use crate::{Bytes, Refusal};

/// Limits of one container. `None` means the stated default, never "unlimited by accident".
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Memory, `memory.max`.
    pub memory_max: Bytes,
    /// Swap on top of memory, `memory.swap.max`.
    pub swap_max: Bytes,
    /// Whole cores it may run on at a time; `None`: all of the host's.
    pub cores: Option<u32>,
    /// CPU time in hundredths of a core, `cpu.max`; `None`: as much as its cores give.
    pub cpulimit: Option<CpuLimit>,
    /// Share under contention, `cpu.weight` (Proxmox's cpuunits), 1 to 10000, normally 100.
    pub cpuunits: u32,
    /// Processes and threads, `pids.max`.
    pub pids_max: u32,
}

/// CPU time in hundredths of a core (150 is one and a half), as text `1.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuLimit(u32);

impl CpuLimit {
    /// From hundredths of a core; `None` for 0.
    #[must_use]
    pub fn from_hundredths(n: u32) -> Option<Self> {
        (n > 0).then_some(Self(n))
    }

    /// Hundredths of a core.
    #[must_use]
    pub fn hundredths(self) -> u32 {
        self.0
    }
}

impl std::str::FromStr for CpuLimit {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || Refusal::NotACpuLimit { given: s.to_owned() };
        let text = s.trim().replace(',', ".");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 5 || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
            return Err(err());
        }
        let whole: u32 = whole.parse().map_err(|_| err())?;
        let part: u32 = format!("{fraction:0<2}").parse().map_err(|_| err())?;
        Self::from_hundredths(whole * 100 + part).ok_or_else(err)
    }
}

impl std::fmt::Display for CpuLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

crate::text::text_serde!(CpuLimit);

/// What the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostCapacity {
    /// Cores on line.
    pub cores: u32,
    /// Physical memory.
    pub memory: Bytes,
}

impl Default for Limits {
    /// Proxmox's defaults for a new container, with a finite number of processes.
    fn default() -> Self {
        Self {
            memory_max: Bytes::mib(512),
            swap_max: Bytes::mib(512),
            cores: None,
            cpulimit: None,
            cpuunits: 100,
            pids_max: 4096,
        }
    }
}

impl Limits {
    /// Below this a container cannot start.
    pub const MEMORY_MIN: Bytes = Bytes::mib(16);

    /// Checks every limit against the host; the same rule for create, set and forms.
    ///
    /// # Errors
    /// The first limit that is out of range.
    pub fn check(&self, host: HostCapacity) -> Result<(), Refusal> {
        if self.memory_max < Self::MEMORY_MIN {
            return Err(Refusal::MemoryTooSmall { given: self.memory_max.to_string() });
        }
        if self.memory_max > host.memory {
            return Err(Refusal::MemoryAboveHost {
                given: self.memory_max.to_string(),
                host: host.memory.to_string(),
            });
        }
        if self.swap_max > Bytes(1 << 40) {
            return Err(Refusal::SwapOutOfRange { given: self.swap_max.to_string() });
        }
        if let Some(given) = self.cores.filter(|n| !(1..=host.cores).contains(n)) {
            return Err(Refusal::CoresOutOfRange { given, host: host.cores });
        }
        if let Some(given) = self.cpulimit.filter(|l| l.hundredths() > host.cores.saturating_mul(100)) {
            return Err(Refusal::CpuLimitOutOfRange { given: given.to_string(), host: host.cores });
        }
        if !(1..=10_000).contains(&self.cpuunits) {
            return Err(Refusal::CpuUnitsOutOfRange { given: self.cpuunits });
        }
        if !(16..=4_194_304).contains(&self.pids_max) {
            return Err(Refusal::PidsOutOfRange { given: self.pids_max });
        }
        Ok(())
    }

    /// CPU quota in hundredths of a core as the scheduler enforces it: the smaller of cores and limit;
    /// `None` when nothing caps it.
    #[must_use]
    pub fn cpu_quota_hundredths(&self) -> Option<u32> {
        let cores = self.cores.map(|n| n.saturating_mul(100));
        let limit = self.cpulimit.map(CpuLimit::hundredths);
        cores.into_iter().chain(limit).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostCapacity = HostCapacity { cores: 2, memory: Bytes::mib(4096) };

    #[test]
    fn limits_outside_the_host_are_refused_by_name() {
        let with = |f: fn(&mut Limits)| {
            let mut limits = Limits::default();
            f(&mut limits);
            limits.check(HOST).unwrap_err().field().unwrap().to_owned()
        };
        assert_eq!(with(|l| l.memory_max = Bytes::mib(15)), "memory");
        assert_eq!(with(|l| l.memory_max = Bytes::mib(4097)), "memory");
        assert_eq!(with(|l| l.cores = Some(0)), "cores");
        assert_eq!(with(|l| l.cores = Some(3)), "cores");
        assert_eq!(with(|l| l.cpulimit = CpuLimit::from_hundredths(201)), "cpulimit");
        assert_eq!(with(|l| l.cpuunits = 0), "cpuunits");
        assert_eq!(with(|l| l.pids_max = 1), "pids");
        assert_eq!(Limits::default().check(HOST), Ok(()));
    }

    #[test]
    fn cpu_limits_are_read_and_printed_as_cores() {
        for (text, want, shown) in
            [("0.5", 50, "0.5"), ("2", 200, "2"), ("1,25", 125, "1.25"), ("0.05", 5, "0.05")]
        {
            let limit: CpuLimit = text.parse().unwrap();
            assert_eq!((limit.hundredths(), limit.to_string().as_str()), (want, shown));
        }
        for bad in ["", "0", "-1", "1.234", "a", "1e3", "999999"] {
            assert!(bad.parse::<CpuLimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_smaller_of_cores_and_cpulimit_counts() {
        let limits = Limits { cores: Some(2), cpulimit: CpuLimit::from_hundredths(150), ..Limits::default() };
        assert_eq!(limits.cpu_quota_hundredths(), Some(150));
        assert_eq!(Limits::default().cpu_quota_hundredths(), None);
    }
}
