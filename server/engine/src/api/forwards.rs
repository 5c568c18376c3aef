//! Ports of the node that lead into containers.

use model::{Forward, Refusal, application::Transport, refusal::Thing};

use crate::Engine;

/// Most forwarded ports of one container.
const FORWARDS_MAX: usize = 64;

/// Refuses ports that a program of the node listens at: it would hear nothing any more. Those that a container
/// has already are its own.
pub(super) fn check(engine: &Engine, new: &[Forward], old: &[Forward]) -> Result<(), Refusal> {
    if new.len() > FORWARDS_MAX {
        return Err(Refusal::TooManyForwards { max: FORWARDS_MAX });
    }
    for forward in new.iter().filter(|f| !old.iter().any(|o| (o.host, o.protocol) == (f.host, f.protocol))) {
        let port = format!("{}/{}", forward.host, forward.protocol.as_str());
        let is_twice =
            new.iter().filter(|f| (f.host, f.protocol) == (forward.host, forward.protocol)).count() > 1;
        if is_twice {
            return Err(Refusal::Taken { what: Thing::Port, given: port });
        }
        let anywhere = (std::net::Ipv4Addr::UNSPECIFIED, forward.host);
        let is_free = match forward.protocol {
            Transport::Tcp => std::net::TcpListener::bind(anywhere).is_ok(),
            Transport::Udp => std::net::UdpSocket::bind(anywhere).is_ok(),
        };
        if !is_free || forward.host == engine.config.listen.port() {
            return Err(Refusal::PortInUse { port });
        }
    }
    Ok(())
}

/// The lowest port from 8080 up that no container has and no program listens at.
pub(super) fn free_port(engine: &Engine) -> u16 {
    let rows = engine.store().list_containers().unwrap_or_default();
    let taken: std::collections::BTreeSet<u16> =
        rows.iter().flat_map(|r| r.config.forwards.iter().map(|f| f.host)).collect();
    let is_free = |port: &u16| {
        !taken.contains(port)
            && *port != engine.config.listen.port()
            && std::net::TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, *port)).is_ok()
    };
    (8080..9080).find(is_free).unwrap_or(8080)
}
