//! The shim's socket: connections of the engine, one request at a time each.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use protocol::{
    Channel,
    channel::accept_from,
    shim::{LaunchFailure, ShimInfo, ShimReply, ShimRequest},
};

/// Most connections at a time; the engine needs one, and one more for each call at work.
const CONNECTIONS_MAX: usize = 64;

/// The listener and its connections.
#[derive(Debug)]
pub(crate) struct Control {
    listener: OwnedFd,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    channel: Channel,
    is_subscribed: bool,
}

impl Control {
    pub(crate) fn new(listener: OwnedFd) -> Self {
        Self { listener, connections: Vec::new() }
    }

    /// The listener, then every connection: what to watch for reading.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.connections.iter().map(|c| c.channel.as_fd()))
    }

    /// Accepts a connection of host root; others are closed without a word.
    pub(crate) fn accept(&mut self) {
        if let Ok((channel, 0)) = accept_from(self.listener.as_fd())
            && self.connections.len() < CONNECTIONS_MAX
        {
            self.connections.push(Connection { channel, is_subscribed: false });
        }
    }

    /// The request that connection `index` has sent; a closed or crooked one is let go of.
    pub(crate) fn receive(&mut self, index: usize) -> Option<ShimRequest> {
        match self.connections.get(index)?.channel.recv() {
            Ok(Some((request, _))) => Some(request),
            _ => {
                self.connections.remove(index);
                None
            }
        }
    }

    /// This connection wants events from now on.
    pub(crate) fn subscribe(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.is_subscribed = true;
        }
    }

    /// Answers connection `index`.
    pub(crate) fn reply(&mut self, index: usize, reply: Result<(ShimReply, Option<OwnedFd>), LaunchFailure>) {
        let (reply, fd) = reply.unwrap_or_else(|failure| (ShimReply::Failed(failure), None));
        let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
        let sent = self.connections.get(index).map(|c| c.channel.send(&reply, &fds));
        if sent.is_some_and(|s| s.is_err()) {
            self.connections.remove(index);
        }
    }

    /// Tells every subscriber.
    pub(crate) fn tell(&mut self, info: &ShimInfo) {
        let event = ShimReply::Event(info.clone());
        self.connections.retain(|c| !c.is_subscribed || c.channel.send(&event, &[]).is_ok());
    }
}
