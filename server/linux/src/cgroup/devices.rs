//! Second wall behind nodev: which devices the processes of a group may open.
//!
//! One list, in the words of the v1 controller or as a program on the v2 group. Nodes may be made
//! (where the kernel lets a container at all), but only the plain ones opened.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use crate::bpf::{self, Instruction};

/// Character devices by number; `None`: all of that major number.
const PLAIN_DEVICES: [(i32, Option<i32>); 9] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // ptys
];

/// Offsets in `struct bpf_cgroup_dev_ctx`.
const ACCESS_AND_TYPE: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;
/// The access in the upper half of the first field: nothing but making a node.
const MAKE_NODE: i32 = 1;
/// The type in its lower half.
const CHARACTER: i32 = 2;

/// Writes the list to a group of the v1 controller.
pub(super) fn guard_v1(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("devices.deny"), "a")?;
    let plain = PLAIN_DEVICES.iter().map(|(major, minor)| {
        format!("c {major}:{} rwm", minor.map_or_else(|| "*".to_owned(), |m| m.to_string()))
    });
    ["c *:* m".to_owned(), "b *:* m".to_owned()]
        .into_iter()
        .chain(plain)
        .try_for_each(|line| fs::write(folder.join("devices.allow"), line))
}

/// Puts the list on a v2 group as a program.
pub(super) fn guard_v2(folder: &Path) -> io::Result<()> {
    let program = load_program()?;
    bpf::attach_device_program(fs::File::open(folder)?.as_fd(), program.as_fd())
}

/// The list as a program that is attached nowhere yet.
pub(super) fn load_program() -> io::Result<OwnedFd> {
    bpf::load_device_program(&program())
}

/// Registers: 0 the answer, 1 the context, 2 the type, 3 the access, then the major number, 4 the minor.
fn program() -> Vec<Instruction> {
    let allow = [Instruction::set(0, 1), Instruction::exit()];
    let deny = [Instruction::set(0, 0), Instruction::exit()];
    let mut program = vec![
        Instruction::load(2, 1, ACCESS_AND_TYPE),
        Instruction::copy(3, 2),
        Instruction::shift_right(3, 16),
        Instruction::skip_unless_equal(3, MAKE_NODE, 2),
    ];
    program.extend(allow);
    program.extend([Instruction::and(2, 0xffff), Instruction::skip_if_equal(2, CHARACTER, 2)]);
    program.extend(deny);
    program.extend([Instruction::load(3, 1, MAJOR), Instruction::load(4, 1, MINOR)]);
    for (major, minor) in PLAIN_DEVICES {
        match minor {
            Some(minor) => program.extend([
                Instruction::skip_unless_equal(3, major, 3),
                Instruction::skip_unless_equal(4, minor, 2),
            ]),
            None => program.push(Instruction::skip_unless_equal(3, major, 2)),
        }
        program.extend(allow);
    }
    program.extend(deny);
    program
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::cgroup::{Layout, make_folder};

    /// The kernel itself judges: a shell joins a group of ours in the v2 tree and opens devices.
    #[test]
    fn guarded_processes_open_plain_devices_only() {
        if !rustix::process::getuid().is_root() {
            eprintln!("SKIPPED (needs root)");
            assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "a skip is a failure here");
            return;
        }
        let group = Layout::detect().unwrap().v2.join(format!("kt{}devices", std::process::id()));
        make_folder(&group).unwrap();
        let nodes = tempfile::tempdir().unwrap();
        let guarded = guard_v2(&group);
        let script = format!(
            "echo $$ > {0}/cgroup.procs; cd {1}; mknod disk b 7 0; mknod kmsg c 1 11; mknod null c 1 3
             for device in ./disk ./kmsg ./null /dev/zero /dev/urandom /dev/ptmx; do
                 if (: < $device) 2>/dev/null; then echo $device; fi
             done; ls; echo 0 > {0}/../cgroup.procs",
            group.display(),
            nodes.path().display()
        );
        let done = Command::new("sh").args(["-c", &script]).output().unwrap();
        fs::remove_dir(&group).unwrap();
        guarded.unwrap();
        let opened = String::from_utf8(done.stdout).unwrap();
        let wanted = ["./null", "/dev/zero", "/dev/urandom", "/dev/ptmx", "disk", "kmsg", "null"];
        assert_eq!(opened.lines().collect::<Vec<_>>(), wanted, "{}", String::from_utf8_lossy(&done.stderr));
    }
}
