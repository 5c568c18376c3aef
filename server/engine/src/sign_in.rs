//! What sign-ins need beside the database: the throttle, the turn at the costly hash, console tickets.
//!
//! All of it lives in memory: a restart of the engine forgets failures and tickets, not sessions.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth::{ConsoleTicket, Throttle, random::RandomError};
use model::{Vmid, access::UserId};
use protocol::engine::{ApiError, ErrorKind, calls::ConsoleKind};

/// A console ticket is good for so long.
const TICKET_MAX_S: i64 = 30;
/// Most tickets that wait to be used.
const TICKETS_MAX: usize = 1024;

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

/// A panic elsewhere left whole values: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One try, counted as failed until it has succeeded.
#[derive(Debug)]
pub(crate) struct Try<'a> {
    sign_in: &'a SignIn,
    keys: Vec<String>,
}

impl SignIn {
    /// Begins a try at a secret; refused when there were too many failures.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] with the seconds to wait.
    pub(crate) fn begin(&self, what: &str, address: Option<IpAddr>, now: i64) -> Result<Try<'_>, ApiError> {
        let keys: Vec<String> =
            [Some(what.to_owned()), address.map(|a| format!("from {a}"))].into_iter().flatten().collect();
        let mut throttle = lock(&self.throttle);
        let wait = keys.iter().map(|k| throttle.wait_s(k, now)).max().unwrap_or(0);
        if wait > 0 {
            let text = format!("too many failed tries: wait {wait} s");
            let retry_after_s = u32::try_from(wait).ok();
            return Err(ApiError { retry_after_s, ..ApiError::new(ErrorKind::Throttled, text) });
        }
        for key in &keys {
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
        if tickets.len() < TICKETS_MAX {
            tickets.insert(issued.sha256(), ticket);
        }
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
        for key in &self.keys {
            throttle.clear(key);
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
    }

    #[test]
    fn failures_count_by_account_and_by_address_until_a_success() {
        let sign_in = SignIn::default();
        let address = Some("192.0.2.1".parse().unwrap());
        for _ in 0..6 {
            drop(sign_in.begin("account anna@pve", address, 100).unwrap());
        }
        let refused = sign_in.begin("account anna@pve", None, 100).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (ErrorKind::Throttled, Some(2)));
        assert!(sign_in.begin("account otto@pve", address, 100).is_err());
        sign_in.begin("account anna@pve", address, 103).unwrap().succeeded();
        assert!(sign_in.begin("account anna@pve", address, 103).is_ok());
    }
}
