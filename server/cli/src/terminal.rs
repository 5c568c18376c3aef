//! exec, enter and console: bytes between this terminal and a viewer socket.

use std::{
    io::{IsTerminal, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    thread,
};

use protocol::{
    engine::{
        Call,
        calls::{ConsoleKind, ContainerRef, Exec, OpenConsole},
        client::Caller,
    },
    shim::ExecPlan,
    terminal::{RawMode, size},
    viewer::{DATA_MAX, Frame, RecvFlags, SendFlags},
};

use crate::{CliError, Session, command::ExecOptions};

/// Ctrl-a, then q, leaves a console.
const ESCAPE: u8 = 1;

/// Whether Ctrl-a q leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    Never,
    ByEscape,
}

fn attach<C: Call>(session: &Session, call: C) -> Result<OwnedFd, CliError> {
    let (_, mut fds) = session.client.call_as(&Caller::default(), call, &[])?;
    fds.pop().ok_or_else(|| CliError::Usage("the engine sent no terminal".to_owned()))
}

pub(crate) fn exec(session: &Session, options: ExecOptions) -> Result<u8, CliError> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let ExecOptions { id, user, cwd, env, command } = options;
    let plan = ExecPlan { argv: command, env, user, cwd, pty: is_terminal.then(size) };
    let viewer = attach(session, Exec { container: id, plan })?;
    if is_terminal { in_raw_mode(viewer, Leave::Never) } else { pump(viewer, Leave::Never) }
}

pub(crate) fn enter(session: &Session, id: ContainerRef) -> Result<u8, CliError> {
    let call = OpenConsole { container: id, console: ConsoleKind::Shell, size: size(), ticket: None };
    in_raw_mode(attach(session, call)?, Leave::Never)
}

pub(crate) fn console(session: &Session, id: ContainerRef) -> Result<u8, CliError> {
    let call = OpenConsole { container: id, console: ConsoleKind::Login, size: size(), ticket: None };
    let viewer = attach(session, call)?;
    eprintln!("attached; leave with Ctrl-a q");
    in_raw_mode(viewer, Leave::ByEscape)
}

fn in_raw_mode(viewer: OwnedFd, leave: Leave) -> Result<u8, CliError> {
    let _raw = RawMode::enter().map_err(CliError::Terminal)?;
    pump(viewer, leave)
}

/// Moves bytes until the other end says how it ended.
fn pump(viewer: OwnedFd, leave: Leave) -> Result<u8, CliError> {
    let viewer = Arc::new(viewer);
    let sender = Arc::clone(&viewer);
    // Ends with the process: nothing wakes it from a read of standard input.
    thread::spawn(move || send_input(&sender, leave));
    let mut buffer = vec![0; DATA_MAX + 1];
    let mut stdout = std::io::stdout();
    loop {
        let frame = Frame::recv(viewer.as_fd(), &mut buffer, RecvFlags::empty());
        match frame.map_err(|e| CliError::Terminal(e.into()))? {
            Some(Frame::Data(data)) => {
                let _ = stdout.write_all(data).and_then(|()| stdout.flush());
            }
            Some(Frame::ErrorData(data)) => {
                let _ = std::io::stderr().write_all(data);
            }
            Some(Frame::Exit(code)) => return Ok(code),
            Some(Frame::Ended) | None => return Ok(0),
            Some(_) => {}
        }
    }
}

fn send_input(viewer: &OwnedFd, leave: Leave) {
    let mut stdin = std::io::stdin();
    let mut buffer = vec![0; 4096];
    let mut was_escape = false;
    loop {
        let n = stdin.read(&mut buffer).unwrap_or(0);
        let data = buffer.get(..n).unwrap_or_default();
        if leave == Leave::ByEscape {
            if was_escape && data.first() == Some(&b'q') {
                let _ = protocol::viewer::hang_up(viewer.as_fd());
                return;
            }
            was_escape = data == [ESCAPE];
        }
        let frame = if n == 0 { Frame::EndOfInput } else { Frame::Data(data) };
        if frame.send(viewer.as_fd(), SendFlags::empty()).is_err() || n == 0 {
            return;
        }
    }
}
