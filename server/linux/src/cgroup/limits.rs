//! Writing limits, on v2 files or their v1 counterparts, at start and live.

use std::{fs, io, path::Path};

use super::Group;

/// Period of the CPU quota, microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Limits in the kernel's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLimits {
    /// `memory.max`, bytes.
    pub memory_max: u64,
    /// `memory.swap.max`, bytes.
    pub swap_max: u64,
    /// CPU time in hundredths of a core; `None`: no cap.
    pub cpu_quota: Option<u32>,
    /// `cpu.weight`, 1 to 10000.
    pub cpu_weight: u32,
    /// `pids.max`.
    pub pids_max: u32,
    /// `cpuset.cpus`, such as `0-1`; `None`: all.
    pub cpus: Option<String>,
}

/// Which limits a host could not take, in plain words.
pub type Unenforced = Vec<String>;

impl Group {
    /// Writes all limits. What this host has no file for is returned, not failed.
    ///
    /// # Errors
    /// `EBUSY` when memory is in use beyond a lowered v1 limit.
    pub fn apply(&self, limits: &GroupLimits) -> io::Result<Unenforced> {
        let mut missing = Vec::new();
        if self.v1("memory").is_some() {
            self.apply_v1(limits, &mut missing)?
        } else {
            self.apply_v2(limits, &mut missing)?
        }
        Ok(missing)
    }

    fn apply_v2(&self, limits: &GroupLimits, missing: &mut Unenforced) -> io::Result<()> {
        let quota = quota_us(limits).map_or_else(|| "max".to_owned(), |q| q.to_string());
        let mut set =
            |file: &str, value: String, what: &str| write(&self.v2().join(file), &value, what, missing);
        set("memory.max", limits.memory_max.to_string(), "memory")?;
        set("memory.swap.max", limits.swap_max.to_string(), "swap")?;
        set("cpu.max", format!("{quota} {CPU_PERIOD_US}"), "CPU limit")?;
        set("cpu.weight", limits.cpu_weight.to_string(), "CPU units")?;
        set("pids.max", limits.pids_max.to_string(), "processes")?;
        match limits.cpus.clone().or_else(|| self.all_cpus_v2()) {
            Some(cpus) => set("cpuset.cpus", cpus, "cores"),
            None => Ok(()),
        }
    }

    /// All CPUs by number, where a limit has to be taken back: the kernel empties no list of a group that
    /// holds processes. `None` when there is no limit.
    fn all_cpus_v2(&self) -> Option<String> {
        let is_limited =
            fs::read_to_string(self.v2().join("cpuset.cpus")).is_ok_and(|t| !t.trim().is_empty());
        let all = self.v2().parent().map(|p| fs::read_to_string(p.join("cpuset.cpus.effective")));
        all.filter(|_| is_limited)?.ok().map(|t| t.trim().to_owned())
    }

    fn apply_v1(&self, limits: &GroupLimits, missing: &mut Unenforced) -> io::Result<()> {
        if let Some(folder) = self.v1("memory") {
            apply_v1_memory(folder, limits, missing)?;
        }
        if let Some(folder) = self.v1("cpu") {
            let quota = quota_us(limits).map_or_else(|| "-1".to_owned(), |q| q.to_string());
            write(&folder.join("cpu.cfs_period_us"), &CPU_PERIOD_US.to_string(), "CPU limit", missing)?;
            write(&folder.join("cpu.cfs_quota_us"), &quota, "CPU limit", missing)?;
            // 100 is normal in v2, 1024 in v1; v1 takes no less than 2.
            let shares = (u64::from(limits.cpu_weight) * 1024 / 100).max(2);
            write(&folder.join("cpu.shares"), &shares.to_string(), "CPU units", missing)?;
        }
        if let Some(folder) = self.v1("pids") {
            write(&folder.join("pids.max"), &limits.pids_max.to_string(), "processes", missing)?;
        }
        if let Some(folder) = self.v1("cpuset") {
            let parent = folder.parent().unwrap_or(folder);
            let all = fs::read_to_string(parent.join("cpuset.cpus"))?;
            let cpus = limits.cpus.as_deref().unwrap_or_else(|| all.trim());
            write(&folder.join("cpuset.cpus"), cpus, "cores", missing)?;
        }
        Ok(())
    }
}

/// Memory and memory+swap limit each other: the outer one grows first and shrinks last.
fn apply_v1_memory(folder: &Path, limits: &GroupLimits, missing: &mut Unenforced) -> io::Result<()> {
    let memory = (folder.join("memory.limit_in_bytes"), limits.memory_max.to_string(), "memory");
    let both = limits.memory_max.saturating_add(limits.swap_max).to_string();
    let both = (folder.join("memory.memsw.limit_in_bytes"), both, "swap");
    let now: u64 = fs::read_to_string(&memory.0)?.trim().parse().unwrap_or(u64::MAX);
    let order = if limits.memory_max > now { [&both, &memory] } else { [&memory, &both] };
    for (file, value, what) in order {
        write(file, value, what, missing)?;
    }
    Ok(())
}

fn quota_us(limits: &GroupLimits) -> Option<u64> {
    // The kernel refuses less than a millisecond.
    limits.cpu_quota.map(|hundredths| (u64::from(hundredths) * CPU_PERIOD_US / 100).max(1000))
}

fn write(file: &Path, value: &str, what: &str, missing: &mut Unenforced) -> io::Result<()> {
    match fs::write(file, value) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            missing.push(format!(
                "{what}: this kernel has no {}",
                file.file_name().unwrap_or_default().display()
            ));
            Ok(())
        }
        result => result,
    }
}

/// A v1 cpuset group takes no process before it has CPUs and memory nodes.
pub(super) fn inherit_cpuset(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if fs::read_to_string(folder.join(file))?.trim().is_empty() {
            fs::write(folder.join(file), fs::read_to_string(parent.join(file))?.trim())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GroupLimits = GroupLimits {
        memory_max: 64 << 20,
        swap_max: 0,
        cpu_quota: Some(50),
        cpu_weight: 100,
        pids_max: 100,
        cpus: None,
    };

    #[test]
    fn v2_limits_are_written_and_missing_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["memory.max", "cpu.max", "cpu.weight", "pids.max", "cpuset.cpus"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let group = Group::new(dir.path().to_owned(), Vec::new());
        // A plain folder makes the missing file where cgroupfs would refuse, so only contents are checked.
        group.apply(&LIMITS).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("cpu.max")).unwrap(), "50000 100000");
        assert_eq!(fs::read_to_string(dir.path().join("memory.max")).unwrap(), "67108864");
    }

    #[test]
    fn a_limit_on_cores_is_taken_back_by_naming_all() {
        let dir = tempfile::tempdir().unwrap();
        let cpus = dir.path().join("100/cpuset.cpus");
        fs::create_dir(dir.path().join("100")).unwrap();
        fs::write(dir.path().join("cpuset.cpus.effective"), "0-7\n").unwrap();
        fs::write(&cpus, "\n").unwrap();
        let group = Group::new(dir.path().join("100"), Vec::new());
        group.apply(&LIMITS).unwrap();
        assert_eq!(fs::read_to_string(&cpus).unwrap(), "\n", "no limit was there");
        group.apply(&GroupLimits { cpus: Some("3".to_owned()), ..LIMITS }).unwrap();
        assert_eq!(fs::read_to_string(&cpus).unwrap(), "3");
        group.apply(&LIMITS).unwrap();
        assert_eq!(fs::read_to_string(&cpus).unwrap(), "0-7");
    }

    #[test]
    fn tiny_quotas_are_raised_to_what_the_kernel_takes() {
        assert_eq!(quota_us(&GroupLimits { cpu_quota: Some(1), ..LIMITS }), Some(1000));
        assert_eq!(quota_us(&GroupLimits { cpu_quota: None, ..LIMITS }), None);
    }
}
