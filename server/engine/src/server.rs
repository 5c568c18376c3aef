//! The engine's two sockets: accept, check the peer, one thread a connection, one call at a time.
//!
//! It never decides what a call does; that is `api`. A panic in a call ends that connection only.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use model::Vmid;
use protocol::{
    Channel, ChannelError,
    channel::{accept_from, listen_at},
    engine::{Answer, ApiError, Envelope, ErrorKind},
};
use serde_json::Value;

use crate::{
    Engine,
    access::{self, Caller, Door},
    api,
    events::Listener,
};

/// Most connections at a time on one socket.
const CONNECTIONS_MAX: usize = 256;
/// How long to wait after a connection could not be taken.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// What a call gives back: a value, descriptors, or a stream of events.
pub(crate) struct Outcome {
    /// The reply.
    pub(crate) value: Value,
    /// Descriptors that ride on it.
    pub(crate) fds: Vec<OwnedFd>,
    /// Events follow on this connection.
    pub(crate) stream: Option<Arc<Listener>>,
    /// A viewer that is ended with this connection, or with the caller's session or right to it.
    pub(crate) held: Option<Held>,
}

/// A console that somebody looks at.
pub(crate) struct Held {
    /// The viewer's end.
    pub(crate) viewer: OwnedFd,
    /// Whose console it is.
    pub(crate) vmid: Vmid,
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self { value, fds: Vec::new(), stream: None, held: None }
    }
}

/// Makes a socket that only its owner can open, in place of a stale one.
///
/// # Errors
/// When the folder cannot be written or the path is too long.
pub fn listen_private(path: &Path) -> Result<OwnedFd, ChannelError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(ChannelError::Io(e)),
        _ => listen_at(path),
    }
}

/// Serves a socket for good; `uid` is the only peer that is let in.
pub(crate) fn serve(engine: &Arc<Engine>, listener: &OwnedFd, door: Door, uid: u32) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let (channel, peer) = match accept_from(listener.as_fd()) {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or the peer was gone before it was let in: neither lasts.
                tracing::error!(?door, error = %crate::error::chain(&error), "a connection was not taken");
                thread::sleep(ACCEPT_PAUSE);
                continue;
            }
        };
        if peer != uid || open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
            tracing::warn!(?door, peer, "a connection was refused");
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (engine, closed) = (Arc::clone(engine), Countdown(Arc::clone(&open)));
        let spawned = thread::Builder::new().name("call".into()).stack_size(512 * 1024).spawn(move || {
            // Runs also when a call panics, or when no thread was to be had: the count must not leak.
            let _closed = closed;
            converse(&engine, &channel, door);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a connection");
        }
    }
}

struct Countdown(Arc<AtomicUsize>);

impl Drop for Countdown {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn converse(engine: &Arc<Engine>, channel: &Channel, door: Door) {
    loop {
        let (envelope, fds) = match channel.recv::<Envelope>() {
            Ok(Some(message)) => message,
            Ok(None) | Err(ChannelError::Io(_)) => return,
            Err(error) => {
                let text = format!("the call is not understood: {}", crate::error::chain(&error));
                let answer: Answer = Err(ApiError::new(ErrorKind::Invalid, text));
                let _ = channel.send(&answer, &[]);
                return;
            }
        };
        let (mut caller, outcome) = answer_call(engine, door, &envelope, fds);
        match outcome {
            Ok(Outcome { value, fds, stream, held }) => {
                let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                let answer: Answer = Ok(value);
                if channel.send(&answer, &borrowed).is_err() {
                    return;
                }
                if let Some(listener) = stream {
                    crate::streams::stream(engine, channel, &mut caller, &listener);
                    return;
                }
                if let Some(held) = held {
                    crate::streams::hold(engine, channel, &mut caller, &held);
                    return;
                }
            }
            Err(error) => {
                let answer: Answer = Err(error);
                if channel.send(&answer, &[]).is_err() {
                    return;
                }
            }
        }
    }
}

fn answer_call(
    engine: &Arc<Engine>,
    door: Door,
    envelope: &Envelope,
    fds: Vec<OwnedFd>,
) -> (Caller, Result<Outcome, ApiError>) {
    let known = access::authenticate(engine.store(), door, envelope, crate::clock::now());
    let (caller, result) = match known {
        Ok(caller) => {
            let result = api::dispatch(engine, &caller, &envelope.request, fds);
            (caller, result)
        }
        Err(refused) => (refused.caller, Err(refused.error)),
    };
    crate::audit::record(engine, &caller, &envelope.request, result.as_ref().map(|_| ()));
    (caller, result)
}
