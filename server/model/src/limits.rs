//! What a container may use at most, and the one rule that checks it against the host.

use thiserror::Error;

use crate::Bytes;

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

/// The text is no CPU limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no CPU limit: write a number of cores from 0.01 up, such as 0.5 or 2")]
pub struct ParseCpuLimitError(String);

impl std::str::FromStr for CpuLimit {
    type Err = ParseCpuLimitError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || ParseCpuLimitError(s.to_owned());
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

/// A limit is outside what the host or the kernel can do. Each names its field for forms.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// Less than [`Limits::MEMORY_MIN`].
    #[error("memory {0} is too little: a container needs at least 16 MiB")]
    MemoryTooSmall(Bytes),
    /// More than the host has.
    #[error("memory {given} is more than this node has ({host}): choose less")]
    MemoryAboveHost {
        /// What was asked for.
        given: Bytes,
        /// What the host has.
        host: Bytes,
    },
    /// Swap above 1 TiB.
    #[error("swap {0} is out of range: choose at most 1 TiB")]
    Swap(Bytes),
    /// No core, or more than the host has.
    #[error("{given} cores is out of range: this node has {host}, choose 1 to {host}")]
    Cores {
        /// What was asked for.
        given: u32,
        /// What the host has.
        host: u32,
    },
    /// CPU limit above the host's cores.
    #[error("a CPU limit of {given} cores is out of range: this node has {host}, choose 0.01 to {host}")]
    CpuLimit {
        /// What was asked for.
        given: CpuLimit,
        /// What the host has.
        host: u32,
    },
    /// Weight outside 1 to 10000.
    #[error("{0} CPU units is out of range: choose 1 to 10000 (100 is normal)")]
    CpuUnits(u32),
    /// Too few or too many processes.
    #[error("{0} processes is out of range: choose 16 to 4194304")]
    Pids(u32),
}

impl LimitError {
    /// The form field and option it belongs to.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::MemoryTooSmall(_) | Self::MemoryAboveHost { .. } => "memory",
            Self::Swap(_) => "swap",
            Self::Cores { .. } => "cores",
            Self::CpuLimit { .. } => "cpulimit",
            Self::CpuUnits(_) => "cpuunits",
            Self::Pids(_) => "pids",
        }
    }
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
    pub fn check(&self, host: HostCapacity) -> Result<(), LimitError> {
        if self.memory_max < Self::MEMORY_MIN {
            return Err(LimitError::MemoryTooSmall(self.memory_max));
        }
        if self.memory_max > host.memory {
            return Err(LimitError::MemoryAboveHost { given: self.memory_max, host: host.memory });
        }
        if self.swap_max > Bytes(1 << 40) {
            return Err(LimitError::Swap(self.swap_max));
        }
        if let Some(given) = self.cores.filter(|n| !(1..=host.cores).contains(n)) {
            return Err(LimitError::Cores { given, host: host.cores });
        }
        if let Some(given) = self.cpulimit.filter(|l| l.hundredths() > host.cores.saturating_mul(100)) {
            return Err(LimitError::CpuLimit { given, host: host.cores });
        }
        if !(1..=10_000).contains(&self.cpuunits) {
            return Err(LimitError::CpuUnits(self.cpuunits));
        }
        if !(16..=4_194_304).contains(&self.pids_max) {
            return Err(LimitError::Pids(self.pids_max));
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
            limits.check(HOST).unwrap_err().field()
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
