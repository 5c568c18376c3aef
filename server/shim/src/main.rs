//! The shim: one small static single-threaded process per container, its init's parent.
//!
//! | part | does | in → out |
//! | --- | --- | --- |
//! | [`tree`] | mounts the container's tree | plan → overlay on the current folder |
//! | [`launch`] | clones init and puts it on its feet | plan, tree → running init |
//! | [`adopt`] | takes over a running init whose shim has died | plan → init |
//! | [`inject`] | puts settings into a tree without init | plan, settings → changed files |
//! | [`console`] | scrollback ring, many viewers | pty bytes → viewer frames |
//! | [`exec`] | commands inside | request → viewer frames, exit code |
//! | [`control`], [`serve`] | sockets, the loop, reboot and exit | requests → replies |
//!
//! It uses no async runtime, no database, no HTTP; it must not grow. Descriptors at start: 3 the task
//! (a memfd with JSON), 4 the listening socket, 5 the socket for the one launch report.

mod adopt;
mod console;
mod control;
mod exec;
mod failure;
mod inject;
mod launch;
mod serve;
mod tree;

use std::{fs::File, io::Read, process::ExitCode};

use linux::process::{SingleThreaded, inherited_descriptor};
use protocol::{
    Channel,
    shim::{LaunchReport, ShimTask},
};

use failure::{At, Failure};

fn main() -> ExitCode {
    let Ok(report) = inherited_descriptor(5).map(Channel::from) else { return ExitCode::from(2) };
    match run(&report) {
        Ok(Some(shim)) => {
            drop(report);
            shim.serve()
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = report.send(&LaunchReport::Failed(failure.into()), &[]);
            ExitCode::FAILURE
        }
    }
}

/// Does the task; gives the shim when there is something to stay for.
fn run(report: &Channel) -> Result<Option<serve::Shim>, Failure> {
    let proof = SingleThreaded::prove().at("count threads")?;
    linux::process::close_on_exec_from(3).at("close descriptors")?;
    // A session of its own: no terminal of the engine can reach it. It may be one already.
    let _ = rustix::process::setsid();
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .at("hide memory")?;
    // Else it bears the number of the descriptor that it was executed from.
    let _ = rustix::thread::set_name(c"kiste-shim");
    // Modes below are meant as they are written, whatever the engine was started with.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // The container's parent is the last to go when memory is short; children put it back. Not every
    // root may lower it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-900");
    match read_task()? {
        ShimTask::Launch(plan) => {
            let listener = inherited_descriptor(4).at("take over the listening socket")?;
            let tree = tree::mount(proof, &plan)?;
            let init = launch::launch(proof, &plan, &tree)?;
            begin(serve::Shim::new(proof, plan, Some(tree), init, listener)?, report)
        }
        ShimTask::Adopt(plan) => {
            let listener = inherited_descriptor(4).at("take over the listening socket")?;
            let init = adopt::adopt(proof, &plan)?;
            begin(serve::Shim::new(proof, plan, None, init, listener)?, report)
        }
        ShimTask::Inject(plan, injections) => {
            let tree = tree::mount(proof, &plan)?;
            inject::inject(proof, &plan, &tree, &injections)?;
            report.send(&LaunchReport::Injected, &[]).map_err(|_| Failure::plain("report the injection"))?;
            Ok(None)
        }
    }
}

fn begin(shim: serve::Shim, report: &Channel) -> Result<Option<serve::Shim>, Failure> {
    let launched = LaunchReport::Launched(shim.info());
    report.send(&launched, &[]).map_err(|_| Failure::plain("report the launch"))?;
    Ok(Some(shim))
}

fn read_task() -> Result<ShimTask, Failure> {
    let mut text = Vec::new();
    let mut file = File::from(inherited_descriptor(3).at("take over the task")?);
    file.read_to_end(&mut text).at("read the task")?;
    serde_json::from_slice(&text).map_err(|e| Failure::plain("understand the task").with(e.to_string()))
}
