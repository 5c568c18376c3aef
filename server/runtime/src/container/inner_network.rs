//! A look at a container's network from inside it: its addresses, and connections from there.
//!
//! Done by a thread that joins the network namespace and ends; it keeps the host's ids and files, and runs nothing
//! of the container's.

use std::{io, net::Ipv4Addr, thread};

use protocol::shim::ShimInfo;

use crate::Runtime;

/// Its interface's name inside.
const INTERFACE: &str = "eth0";

impl Runtime {
    /// Does something in the network namespace of a running container's init.
    ///
    /// # Errors
    /// When it has ended.
    pub fn in_network<T: Send>(&self, info: &ShimInfo, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let (pid, ticks) = (info.init_pid, info.init_start_ticks);
        thread::scope(|scope| {
            let joined = thread::Builder::new().name("inside".into()).spawn_scoped(scope, move || {
                linux::namespaces::join_network_of(pid, ticks).map(|()| work())
            })?;
            joined.join().unwrap_or_else(|_| Err(io::Error::other("the look broke")))
        })
    }

    /// The IPv4 addresses that its interface really has, by its own word; empty when it does not run.
    #[must_use]
    pub fn addresses(&self, info: &ShimInfo) -> Vec<Ipv4Addr> {
        let found = self.in_network(info, || linux::addresses::list(INTERFACE));
        found.and_then(|listed| listed).unwrap_or_default()
    }
}
