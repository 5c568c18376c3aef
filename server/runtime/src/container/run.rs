//! A command inside, run to its end by the engine itself: bounded in time and output.

use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

use model::Vmid;
use protocol::{
    shim::ExecPlan,
    viewer::{DATA_MAX, Frame, Heard, SendFlags, hang_up, hear},
};

use crate::{Runtime, shims::ShimError};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None`: it was given up.
    pub code: Option<u8>,
    /// What it said, cut off at the bound.
    pub output: String,
}

impl Runtime {
    /// Runs a command as root inside and hears it out for `patience`, up to `most` bytes. What it says is the
    /// container's word.
    ///
    /// # Errors
    /// [`ShimError`] when it could not be started.
    pub fn run(
        &self,
        vmid: Vmid,
        argv: &[&str],
        patience: Duration,
        most: usize,
    ) -> Result<Ended, ShimError> {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let viewer = self.exec(vmid, ExecPlan { argv, env: vec![], user: None, cwd: None, pty: None })?;
        let _ = Frame::EndOfInput.send(viewer.as_fd(), SendFlags::empty());
        let until = Instant::now() + patience;
        let (mut output, mut buffer) = (Vec::new(), vec![0; DATA_MAX + 1]);
        let code = loop {
            let left = until.saturating_duration_since(Instant::now());
            match hear(viewer.as_fd(), &mut buffer, left) {
                Heard::Frame(Frame::Data(data) | Frame::ErrorData(data)) => {
                    output.extend(&data[..data.len().min(most.saturating_sub(output.len()))]);
                }
                Heard::Frame(Frame::Exit(code)) => break Some(code),
                Heard::Frame(Frame::Ended) | Heard::Nothing => break None,
                Heard::Frame(_) => {}
            }
        };
        // A command that is given up must not stay.
        let _ = hang_up(viewer.as_fd());
        Ok(Ended { code, output: String::from_utf8_lossy(&output).into_owned() })
    }
}
