//! A blocking client of the engine's sockets; the web process and the command line use it.

use std::{
    net::IpAddr,
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
};

use thiserror::Error;

use super::{Answer, ApiError, Call, Envelope, Secret, VERSION};
use crate::{Channel, ChannelError};

/// A connection to the engine. Clone-free: one call at a time.
#[derive(Debug)]
pub struct Client {
    channel: Channel,
}

/// Who a call of the web process is for.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Session token from the cookie.
    pub session: Option<Secret>,
    /// Anti-forgery token from the form.
    pub csrf: Option<Secret>,
    /// The browser's address.
    pub address: Option<IpAddr>,
}

/// A call got no reply.
#[derive(Debug, Error)]
pub enum CallError {
    /// The engine refused or failed.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The connection failed.
    #[error("connection to the engine failed")]
    Channel(#[from] ChannelError),
    /// The engine closed the connection.
    #[error("the engine closed the connection")]
    Closed,
    /// The reply is not what this version expects.
    #[error("the engine's reply is not understood")]
    Reply(#[source] serde_json::Error),
}

impl Client {
    /// Connects to `engine.sock` or `web.sock`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self, ChannelError> {
        Ok(Self { channel: Channel::connect(socket)? })
    }

    /// A call as local root.
    ///
    /// # Errors
    /// [`CallError::Refused`] carries the engine's reason.
    pub fn call<C: Call>(&self, call: C) -> Result<C::Reply, CallError> {
        self.call_as(&Caller::default(), call, &[]).map(|(reply, _)| reply)
    }

    /// A call for somebody, with descriptors both ways.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_as<C: Call>(
        &self,
        caller: &Caller,
        call: C,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(C::Reply, Vec<OwnedFd>), CallError> {
        let envelope = Envelope {
            version: VERSION,
            session: caller.session.clone(),
            csrf: caller.csrf.clone(),
            address: caller.address,
            request: call.into(),
        };
        self.channel.send(&envelope, fds)?;
        let (answer, fds): (Answer, _) = self.channel.recv()?.ok_or(CallError::Closed)?;
        let reply = serde_json::from_value(answer?).map_err(CallError::Reply)?;
        Ok((reply, fds))
    }

    /// The next event after [`super::calls::Subscribe`]; `None` when the engine has closed.
    ///
    /// # Errors
    /// When the connection failed.
    pub fn next_event(&self) -> Result<Option<super::events::Event>, ChannelError> {
        Ok(self.channel.recv()?.map(|(event, _)| event))
    }

    /// Whether the engine has closed the connection while no call was under way.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        !matches!(self.channel.wait_readable(std::time::Duration::ZERO), Ok(false))
    }

    /// The connection's socket, to watch it or hand it on.
    #[must_use]
    pub fn into_channel(self) -> Channel {
        self.channel
    }
}
