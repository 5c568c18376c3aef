//! What sign-ins need beside the database: the throttle, the turn at the costly hash, console tickets.
//!
//! All of it lives in memory: a restart of the engine forgets failures and tickets, not sessions.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard},
};

use auth::{ConsoleTicket, Throttle, random::RandomError};
use model::{Refusal, Vmid, access::UserId};
use protocol::engine::{ApiError, calls::ConsoleKind};

use crate::lock;

/// A console ticket is good for so long.
const TICKET_MAX_S: i64 = 30;
/// Most tickets of one session that wait to be used.
const TICKETS_MAX: usize = 16;

/// See the file's header.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    throttle: Mutex<Throttle>,
    tickets: Mutex<HashMap<String, Ticket>>,
    /// One password is hashed at a time: guessing must not take all cores and memory.
    turn: Mutex<()>,
}

/// What a console ticket opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The session that asked for it, by its hash.
    pub(crate) session: String,
    /// Which container.
    pub(crate) vmid: Vmid,
    /// Which terminal.
    pub(crate) console: ConsoleKind,
    /// Unix seconds.
    pub(crate) issued: i64,
}

/// One try, counted as failed until it has succeeded.
#[derive(Debug)]
pub(crate) struct Try<'a> {
    sign_in: &'a SignIn,
    keys: Keys,
}

/// What a try is counted under. Never the account alone: a stranger's failures must not keep its owner
/// waiting. Guessing from many addresses is bounded by the costly hash, of which one runs at a time.
#[derive(Debug)]
struct Keys {
    /// What was tried, and from where.
    pair: String,
    /// From where, whatever was tried; none for local callers.
    place: Option<String>,
}

impl Keys {
    fn new(what: &str, address: Option<IpAddr>) -> Self {
        let place = address.map(|a| format!("from {}", place(a)));
        Self { pair: format!("{what} {}", place.as_deref().unwrap_or("here")), place }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.pair.as_str()).chain(self.place.as_deref())
    }
}

/// Who has an IPv6 address has 2^64 of them.
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

impl SignIn {
    /// Begins a try at a secret; refused when there were too many failures.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] with the seconds to wait.
    pub(crate) fn begin(&self, what: &str, address: Option<IpAddr>, now: i64) -> Result<Try<'_>, ApiError> {
        let keys = Keys::new(what, address);
        let mut throttle = lock(&self.throttle);
        let wait = keys.all().map(|k| throttle.wait_s(k, now)).max().unwrap_or(0);
        if wait > 0 {
            let seconds = u32::try_from(wait).unwrap_or(u32::MAX);
            return Err(Refusal::TooManyTries { seconds }.into());
        }
        for key in keys.all() {
            throttle.note_failure(key, now);
        }
        drop(throttle);
        Ok(Try { sign_in: self, keys })
    }

    /// Waits for the turn at a costly hash.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// Keeps a new ticket.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub(crate) fn issue(&self, ticket: Ticket) -> Result<ConsoleTicket, RandomError> {
        let issued = ConsoleTicket::issue(ticket.issued)?;
        let mut tickets = lock(&self.tickets);
        tickets.retain(|_, t| ticket.issued - t.issued < TICKET_MAX_S);
        // One session cannot crowd out the others: its oldest make room.
        let own = tickets.iter().filter(|(_, t)| t.session == ticket.session);
        if own.clone().count() >= TICKETS_MAX
            && let Some(oldest) = own.min_by_key(|(_, t)| t.issued).map(|(key, _)| key.clone())
        {
            tickets.remove(&oldest);
        }
        tickets.insert(issued.sha256(), ticket);
        Ok(issued)
    }

    /// Takes a ticket: whatever it was shown for, it is used up.
    pub(crate) fn redeem(&self, shown: &str, now: i64) -> Option<Ticket> {
        let ticket = lock(&self.tickets).remove(&ConsoleTicket::sha256_of(shown));
        ticket.filter(|t| now - t.issued < TICKET_MAX_S)
    }
}

impl Try<'_> {
    /// The secret was right.
    pub(crate) fn succeeded(self) {
        let mut throttle = lock(&self.sign_in.throttle);
        throttle.clear(&self.keys.pair);
        // No more than that: who has an account could guess at others for ever.
        if let Some(place) = &self.keys.place {
            throttle.take_back(place);
        }
    }
}

/// What tries at an account are counted under.
pub(crate) fn account(user: &UserId) -> String {
    format!("account {user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(issued: i64) -> Ticket {
        Ticket { session: "s".into(), vmid: Vmid::FIRST, console: ConsoleKind::Shell, issued }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_half_a_minute() {
        let sign_in = SignIn::default();
        let first = sign_in.issue(ticket(100)).unwrap();
        assert_eq!(sign_in.redeem(first.reveal(), 101), Some(ticket(100)));
        assert_eq!(sign_in.redeem(first.reveal(), 101), None);
        let second = sign_in.issue(ticket(100)).unwrap();
        assert_eq!(sign_in.redeem(second.reveal(), 100 + TICKET_MAX_S), None);
        assert_eq!(sign_in.redeem("PVEVNC:x", 101), None);
        let first = sign_in.issue(ticket(100)).unwrap();
        for _ in 0..TICKETS_MAX {
            sign_in.issue(ticket(101)).unwrap();
        }
        assert_eq!(sign_in.redeem(first.reveal(), 101), None, "the oldest makes room");
    }

    #[test]
    fn failures_count_by_address_and_keep_nobody_else_waiting() {
        let sign_in = SignIn::default();
        let address = |text: &str| Some(text.parse().unwrap());
        let begin = |what, from, now| sign_in.begin(what, from, now);
        let stranger = address("192.0.2.1");
        for _ in 0..6 {
            drop(begin("account anna@pve", stranger, 100).unwrap());
        }
        let refused = begin("account anna@pve", stranger, 100).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (protocol::engine::ErrorKind::Throttled, Some(2)));
        assert!(begin("account otto@pve", stranger, 100).is_err());
        begin("account anna@pve", address("192.0.2.2"), 100).unwrap().succeeded();
        // The owner's success elsewhere is no pardon for the stranger.
        assert!(begin("account anna@pve", stranger, 101).is_err());
        // Nor is a success with an account of the stranger's own.
        begin("account eve@pve", stranger, 102).unwrap().succeeded();
        drop(begin("account anna@pve", stranger, 104).unwrap());
        assert!(begin("account anna@pve", stranger, 107).is_err());
    }

    #[test]
    fn a_success_is_no_failure() {
        let sign_in = SignIn::default();
        let address = Some("192.0.2.1".parse().unwrap());
        for _ in 0..20 {
            sign_in.begin("account anna@pve", address, 100).unwrap().succeeded();
        }
    }

    #[test]
    fn an_ipv6_network_is_one_place() {
        let one = Keys::new("x", Some("2001:db8::1".parse().unwrap()));
        assert_eq!(one.place, Keys::new("x", Some("2001:db8::ffff:2".parse().unwrap())).place);
        assert_ne!(one.place, Keys::new("x", Some("2001:db8:0:1::1".parse().unwrap())).place);
        let mapped = Keys::new("x", Some("::ffff:192.0.2.1".parse().unwrap()));
        assert_eq!(mapped.place.as_deref(), Some("from 192.0.2.1"));
    }
}
