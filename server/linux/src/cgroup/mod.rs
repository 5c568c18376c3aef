//! Control groups, pure v2 and hybrid; kernel documentation, admin-guide/cgroup-v2 and cgroup-v1.
//!
//! Every instance owns one folder of its own name at the top of each tree, or one that the service
//! manager delegated to it: `<folder>/<id>/` carries the limits and is root's, `<folder>/<id>/payload` is
//! delegated. On a hybrid host the limits sit on same-named v1 groups outside the container's sight. No
//! other group is ever touched.

mod devices;
mod group;
mod limits;
mod usage;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

pub use group::{Frozen, Group};
pub use limits::GroupLimits;
pub use usage::GroupUsage;

/// v1 controllers that carry limits or figures.
const V1_CONTROLLERS: [&str; 7] = ["cpu", "cpuacct", "cpuset", "memory", "devices", "pids", "blkio"];

/// How long a shim may take to end after it was let go of.
const SHIM_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Where the trees of this host are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The v2 tree.
    pub v2: PathBuf,
    /// v1 hierarchies by controller; empty on a pure v2 host.
    pub v1: BTreeMap<&'static str, PathBuf>,
}

impl Layout {
    /// Reads the layout from the text of `/proc/self/mountinfo`.
    #[must_use]
    pub fn parse(mountinfo: &str) -> Option<Self> {
        let mut layout = Self { v2: PathBuf::new(), v1: BTreeMap::new() };
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let fields: Vec<&str> = left.split(' ').collect();
            let (Some("/"), Some(target)) = (fields.get(3).copied(), fields.get(4)) else { continue };
            let mut kind = right.split(' ');
            match (kind.next(), kind.nth(1)) {
                (Some("cgroup2"), _) if layout.v2.as_os_str().is_empty() => layout.v2 = target.into(),
                (Some("cgroup"), Some(options)) => {
                    for controller in V1_CONTROLLERS.iter().filter(|c| options.split(',').any(|o| o == **c)) {
                        layout.v1.entry(controller).or_insert_with(|| target.into());
                    }
                }
                _ => {}
            }
        }
        (!layout.v2.as_os_str().is_empty()).then_some(layout)
    }

    /// The layout of this host.
    ///
    /// # Errors
    /// When there is no cgroup v2 tree.
    pub fn detect() -> io::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo")?)
            .ok_or_else(|| io::Error::other("no cgroup v2 tree is mounted"))
    }

    /// Controllers of limits that this host does not have, or keeps from us.
    #[must_use]
    pub fn missing_controllers(&self) -> Vec<&'static str> {
        let v2 = fs::read_to_string(self.v2.join("cgroup.controllers")).unwrap_or_default();
        let is_there = |c: &str| self.v1.contains_key(c) || v2.split_ascii_whitespace().any(|w| w == c);
        ["cpu", "cpuset", "memory", "pids"].into_iter().filter(|c| !is_there(c)).collect()
    }

    /// Whether limits live on v1 groups.
    #[must_use]
    pub fn is_hybrid(&self) -> bool {
        self.v1.contains_key("memory")
    }
}

/// One instance's folders in all trees.
#[derive(Debug, Clone)]
pub struct Instance {
    layout: Layout,
    name: String,
    v2: PathBuf,
}

impl Instance {
    /// Makes the instance's folders and turns on the controllers; again is no error.
    ///
    /// # Errors
    /// The kernel's errno, such as `EROFS` where the tree is not ours to write.
    pub fn ensure(layout: Layout, name: &str) -> io::Result<Self> {
        let v2 = layout.v2.join(name);
        make_folder(&v2)?;
        if !layout.is_hybrid() {
            enable_controllers(&layout.v2)?;
        }
        Self { layout, name: name.to_owned(), v2 }.fill()
    }

    /// As [`Self::ensure`], in a v2 folder that the service manager keeps for the instance. The process
    /// that it keeps it by moves to a group below: one that holds processes cannot hand out controllers.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn ensure_delegated(layout: Layout, name: &str, v2: PathBuf) -> io::Result<Self> {
        let instance = Self { layout, name: name.to_owned(), v2 };
        let keeper = instance.keeper();
        make_folder(&keeper)?;
        for pid in fs::read_to_string(instance.v2.join("cgroup.procs"))?.lines() {
            fs::write(keeper.join("cgroup.procs"), pid)?;
        }
        instance.fill()
    }

    fn fill(self) -> io::Result<Self> {
        if !self.layout.is_hybrid() {
            enable_controllers(&self.v2)?;
        }
        make_folder(&self.shims())?;
        for (controller, folder) in self.v1() {
            make_folder(&folder)?;
            if controller == "cpuset" {
                limits::inherit_cpuset(&folder)?;
            }
        }
        Ok(self)
    }

    /// The layout underneath.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The instance's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The group that all shims live in.
    #[must_use]
    pub fn shims(&self) -> PathBuf {
        self.v2.join("shims")
    }

    /// The group of the process that a delegated folder is kept by.
    fn keeper(&self) -> PathBuf {
        self.v2.join("keeper")
    }

    fn v1(&self) -> Vec<(&'static str, PathBuf)> {
        let mut folders: Vec<(&'static str, PathBuf)> = Vec::new();
        for (controller, mount) in &self.layout.v1 {
            let folder = mount.join(&self.name);
            // Controllers mounted together share one folder; each still writes its own files.
            folders.push((controller, folder));
        }
        folders
    }

    /// The group of one container; it may not exist yet.
    #[must_use]
    pub fn group(&self, id: u32) -> Group {
        let id = id.to_string();
        let v1 = self.v1().into_iter().map(|(c, folder)| (c, folder.join(&id))).collect();
        Group::new(self.v2.join(id), v1)
    }

    /// Numbers of all groups that exist.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn list(&self) -> io::Result<Vec<u32>> {
        let names = fs::read_dir(&self.v2)?.flatten().map(|e| e.file_name());
        Ok(names.filter_map(|n| n.to_str()?.parse().ok()).collect())
    }

    /// Takes the instance's folders away; they must be empty.
    ///
    /// # Errors
    /// The first that could not be removed; the others are removed all the same.
    pub fn remove(&self) -> io::Result<()> {
        // A shim that was just let go of may still be on its way out.
        let mut result = match group::wait_for_event(&self.v2, "populated 0", SHIM_PATIENCE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result,
        };
        let v1 = self.v1().into_iter().map(|(_, folder)| folder);
        for folder in [self.shims(), self.keeper(), self.v2.clone()].into_iter().chain(v1) {
            result = result.and(remove_folder(&folder));
        }
        result
    }
}

/// Tries the program that guards devices on v2 groups; it is attached to none.
///
/// # Errors
/// The kernel's errno.
pub fn try_device_program() -> io::Result<()> {
    devices::load_program().map(drop)
}

/// Whether a process is in a v2 group or below it; `false` when there is no such group.
#[must_use]
pub fn is_populated(folder: &Path) -> bool {
    fs::read_to_string(folder.join("cgroup.events")).is_ok_and(|t| t.lines().any(|l| l == "populated 1"))
}

fn enable_controllers(folder: &Path) -> io::Result<()> {
    let available = fs::read_to_string(folder.join("cgroup.controllers"))?;
    for controller in ["cpu", "cpuset", "memory", "pids", "io"] {
        if available.split_ascii_whitespace().any(|c| c == controller) {
            fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"))?;
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_recognised() {
        let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let layout = Layout::parse(v2).unwrap();
        assert!(!layout.is_hybrid() && layout.v2 == Path::new("/sys/fs/cgroup"));
        let hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let layout = Layout::parse(hybrid).unwrap();
        assert!(layout.is_hybrid() && layout.v2.ends_with("unified"));
        assert_eq!(layout.v1["cpuacct"], layout.v1["cpu"]);
        assert_eq!(Layout::parse("garbage\n1 2 - cgroup2\n"), None);
    }
}
