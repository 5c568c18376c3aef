//! The caller's own terminal: raw mode while bytes pass through, its size; termios(3).

use std::{io, os::fd::AsFd};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::viewer::TermSize;

/// The terminal is raw while this lives.
#[derive(Debug)]
pub struct RawMode {
    old: Option<Termios>,
}

impl RawMode {
    /// Makes standard input raw when it is a terminal.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let Ok(old) = tcgetattr(stdin.as_fd()) else { return Ok(Self { old: None }) };
        let mut raw = old.clone();
        raw.make_raw();
        tcsetattr(stdin.as_fd(), OptionalActions::Flush, &raw)?;
        Ok(Self { old: Some(old) })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(old) = &self.old {
            let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, old);
        }
    }
}

/// The terminal's size, or 80 by 24 when there is none.
#[must_use]
pub fn size() -> TermSize {
    tcgetwinsize(io::stdout().as_fd())
        .map_or_else(|_| TermSize::default(), |s| TermSize { cols: s.ws_col, rows: s.ws_row })
}
