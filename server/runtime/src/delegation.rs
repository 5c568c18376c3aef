//! The instance's folder in the v2 tree, where systemd is the host's init and wants to be asked for it.
//!
//! A unit of its own whose one process only waits: reloads of systemd, restarts of the engine and whatever
//! systemd does to its own groups leave it alone. Without a process systemd would take the folder away.
//! See systemd-run(1) and systemd's "Control Group APIs and Delegation".

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use linux::cgroup::{Instance, Layout, is_populated};

/// Makes the instance's folders where this host wants them.
pub(crate) fn ensure(layout: Layout, name: &str) -> io::Result<Instance> {
    if !is_managed(&layout) {
        return Instance::ensure(layout, name);
    }
    let unit = unit(name);
    let folder = layout.v2.join(&unit);
    if !is_populated(&folder) {
        // What is left of a unit whose process was ended; there may be none.
        let _ = run(Command::new("systemctl").args(["reset-failed", &unit]));
        begin(&unit, name)?;
    }
    Instance::ensure_delegated(layout, name, folder)
}

/// Takes them away.
pub(crate) fn remove(groups: &Instance) -> io::Result<()> {
    if is_managed(groups.layout()) {
        run(Command::new("systemctl").args(["stop", &unit(groups.name())]))?;
    }
    groups.remove()
}

/// On a hybrid host systemd keeps to its own v1 hierarchies.
fn is_managed(layout: &Layout) -> bool {
    !layout.is_hybrid() && Path::new("/run/systemd/system").is_dir()
}

fn unit(name: &str) -> String {
    format!("{name}-containers.service")
}

/// At the top of the tree: containers share the CPU with all services together, not with each of them.
/// A stop of the unit ends the waiting process only.
fn begin(unit: &str, name: &str) -> io::Result<()> {
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--collect", "--slice=-.slice", "--service-type=exec"]);
    command.args([
        "--property=Delegate=yes",
        "--property=KillMode=process",
        "--property=OOMScoreAdjust=-900",
    ]);
    command.arg(format!("--unit={unit}")).arg(format!("--description=Containers of {name}"));
    run(command.args(["/bin/sleep", "infinity"]))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{}: {}", command.get_program().display(), said.trim())))
}
