//! Who calls, and whether they may: the one place where rights are checked (security rule 23).
//!
//! [`authenticate`] turns an envelope into a [`Caller`]; [`Caller::authorise`] turns a caller, a
//! privilege and an object into a [`Grant`]. Operations take a grant, so an unchecked one does not
//! compile. The web process can assert nobody: it shows a session token, which is looked up here.

use std::net::IpAddr;

use auth::{CsrfToken, SessionToken};
use model::{
    Refusal,
    access::{ObjectPath, Privilege, Role, UserId, effective_role},
};
use protocol::engine::{ApiError, Envelope, ErrorKind, VERSION, calls::CallClass};
use store::{SessionRow, Store};

use crate::error::internal;

/// A session ends so long after its last use.
pub(crate) const IDLE_MAX_S: i64 = 8 * 3600;
/// A session ends so long after the login, used or not.
pub(crate) const AGE_MAX_S: i64 = 7 * 86_400;
/// The last use is written down at most so often.
const TOUCH_EVERY_S: i64 = 60;

/// Which socket a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `engine.sock`: host root.
    Local,
    /// `web.sock`: the web process, for whoever shows a session.
    Web,
}

/// By what somebody has proved who they are.
#[derive(Debug, Clone)]
enum Proof {
    /// The kernel vouched for host root.
    Local,
    /// A session.
    Session(SessionRow),
    /// Nothing: may ask what a stranger may.
    None,
}

/// Somebody, with what they have proved.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    user: Option<UserId>,
    proof: Proof,
    /// From where.
    pub(crate) address: Option<IpAddr>,
    entries: Vec<(String, Role)>,
}

/// Proof that a right was checked.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// Who.
    pub(crate) user: UserId,
}

/// A call that was refused before anything was looked at.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Who it was, as far as that was proved; for the audit log only.
    pub(crate) caller: Caller,
    /// What the caller is told.
    pub(crate) error: ApiError,
}

/// Finds out who calls. The kernel has vouched for the peer of the local socket; the peer of the
/// other one must show a session, and for a change its anti-forgery token.
///
/// # Errors
/// [`ErrorKind::Invalid`] in another version's words, [`ErrorKind::Unauthenticated`] without a living session,
/// [`ErrorKind::Denied`] without the token.
pub(crate) fn authenticate(
    store: &Store,
    door: Door,
    envelope: &Envelope,
    now: i64,
) -> Result<Caller, Box<Refused>> {
    let address = envelope.address;
    let refused = |caller, error| Box::new(Refused { caller, error });
    let nobody = |error| refused(Caller::stranger(address), error);
    if envelope.version != VERSION {
        let text = format!(
            "the call speaks version {} of the protocol, the engine {VERSION}: start both from the same kiste",
            envelope.version
        );
        return Err(nobody(ApiError::new(ErrorKind::Invalid, text)));
    }
    match (door, envelope.request.class()) {
        (Door::Local, _) => Ok(Caller {
            user: Some(UserId::root()),
            proof: Proof::Local,
            address,
            entries: vec![("/".to_owned(), Role::Administrator)],
        }),
        (Door::Web, CallClass::Open) => Ok(Caller::stranger(address)),
        (Door::Web, class) => {
            let session = living_session(store, envelope, now).map_err(nobody)?;
            let is_right = class != CallClass::Change || is_csrf_right(&session, envelope);
            if is_right && now - session.seen >= TOUCH_EVERY_S {
                store.touch_session(&session.token_hash, now).map_err(|e| nobody(internal(&e)))?;
            }
            let caller = Caller::signed_in(store, session, address).map_err(nobody)?;
            if is_right {
                return Ok(caller);
            }
            Err(refused(caller, Refusal::ForgedForm.into()))
        }
    }
}

fn is_csrf_right(session: &SessionRow, envelope: &Envelope) -> bool {
    let given = envelope.csrf.as_ref().map_or("", |c| c.reveal());
    CsrfToken::from_stored(&session.csrf).is_repeated_by(given)
}

fn living_session(store: &Store, envelope: &Envelope, now: i64) -> Result<SessionRow, ApiError> {
    let token = envelope.session.as_ref().and_then(|s| s.reveal().parse::<SessionToken>().ok());
    let row = match token {
        Some(token) => store.find_session(&token.sha256()).map_err(|e| internal(&e))?,
        None => None,
    };
    row.filter(|row| is_living(row, now)).ok_or_else(|| Refusal::SessionEnded.into())
}

fn is_living(row: &SessionRow, now: i64) -> bool {
    now - row.seen < IDLE_MAX_S && now - row.created < AGE_MAX_S
}

impl Caller {
    /// Somebody who has proved nothing.
    pub(crate) fn stranger(address: Option<IpAddr>) -> Self {
        Self { user: None, proof: Proof::None, address, entries: Vec::new() }
    }

    /// Somebody with a session, and what they may do now.
    pub(crate) fn signed_in(
        store: &Store,
        session: SessionRow,
        address: Option<IpAddr>,
    ) -> Result<Self, ApiError> {
        let entries = store.acl_of(&session.user).map_err(|e| internal(&e))?;
        Ok(Self { user: Some(session.user.clone()), proof: Proof::Session(session), address, entries })
    }

    /// Checks a right; the refusal names object and privilege in Proxmox's words.
    pub(crate) fn authorise(&self, privilege: Privilege, object: &ObjectPath) -> Result<Grant, Refusal> {
        match &self.user {
            Some(user) if self.may(privilege, object) => Ok(Grant { user: user.clone() }),
            _ => Err(Refusal::Denied { object: object.to_string(), privilege: privilege.to_string() }),
        }
    }

    /// Refuses everybody but host root on the local socket.
    pub(crate) fn require_local(&self) -> Result<(), Refusal> {
        match self.proof {
            Proof::Local => Ok(()),
            _ => Err(Refusal::LocalOnly),
        }
    }

    /// The session that the call was made in; local root has none.
    pub(crate) fn session(&self) -> Option<&SessionRow> {
        match &self.proof {
            Proof::Session(row) => Some(row),
            Proof::Local | Proof::None => None,
        }
    }

    /// Looks again whether what was proved still stands, and what it allows now: sessions end and rights are
    /// taken away, and open streams must follow.
    pub(crate) fn renew(&mut self, store: &Store, now: i64) -> bool {
        let Proof::Session(row) = &self.proof else { return true };
        match (store.find_session(&row.token_hash), store.acl_of(&row.user)) {
            (Ok(Some(row)), Ok(entries)) if is_living(&row, now) => {
                self.entries = entries;
                true
            }
            _ => false,
        }
    }

    /// Whether the caller has the right.
    pub(crate) fn may(&self, privilege: Privilege, object: &ObjectPath) -> bool {
        effective_role(&self.entries, object).is_some_and(|role| role.has(privilege))
    }

    /// Everything the caller may do with an object, by Proxmox's names.
    pub(crate) fn privileges_on(&self, object: &ObjectPath) -> Vec<String> {
        let held = Privilege::ALL.iter().filter(|(p, _)| self.may(*p, object));
        held.map(|(_, name)| (*name).to_owned()).collect()
    }

    /// Who, for the audit log; a stranger is nobody.
    pub(crate) fn actor(&self) -> Option<&UserId> {
        self.user.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use protocol::engine::{Request, Secret, calls};

    use super::*;

    const NOW: i64 = 1_000_000;

    fn store() -> (Store, Secret, Secret) {
        let store = Store::in_memory().unwrap();
        let anna = UserId::parse_login("anna").unwrap();
        store.insert_first_administrator(&anna, "h").unwrap();
        let (token, csrf) = (SessionToken::issue(&anna, NOW).unwrap(), CsrfToken::issue(NOW).unwrap());
        let session = SessionRow {
            token_hash: token.sha256(),
            user: anna,
            csrf: csrf.reveal().to_owned(),
            created: NOW,
            seen: NOW,
        };
        store.insert_session(&session).unwrap();
        (store, Secret::new(token.reveal()), Secret::new(csrf.reveal()))
    }

    fn envelope(session: Option<&Secret>, csrf: Option<&Secret>, request: impl Into<Request>) -> Envelope {
        Envelope {
            version: 1,
            session: session.cloned(),
            csrf: csrf.cloned(),
            address: None,
            request: request.into(),
        }
    }

    #[test]
    fn every_call_that_is_not_open_needs_a_living_session() {
        let (store, token, csrf) = store();
        let read = |session: Option<&Secret>, now| {
            let call = envelope(session, None, calls::ListContainers {});
            authenticate(&store, Door::Web, &call, now).map(|_| ()).map_err(|e| e.error.kind)
        };
        assert_eq!(read(Some(&token), NOW), Ok(()));
        assert_eq!(read(None, NOW), Err(ErrorKind::Unauthenticated));
        assert_eq!(read(Some(&csrf), NOW), Err(ErrorKind::Unauthenticated));
        assert_eq!(read(Some(&token), NOW + IDLE_MAX_S), Err(ErrorKind::Unauthenticated));
        assert_eq!(read(Some(&token), NOW + IDLE_MAX_S - 1), Ok(()), "and that counts as a use");
        assert_eq!(read(Some(&token), NOW + IDLE_MAX_S + 1), Ok(()));
        assert_eq!(read(Some(&token), NOW + AGE_MAX_S), Err(ErrorKind::Unauthenticated));
    }

    #[test]
    fn another_version_is_refused_at_either_door() {
        let (store, token, _) = store();
        for door in [Door::Local, Door::Web] {
            let call = Envelope { version: 2, ..envelope(Some(&token), None, calls::GetNode {}) };
            let refused = authenticate(&store, door, &call, NOW).unwrap_err();
            assert!(refused.error.message.contains("version 2"), "{}", refused.error.message);
        }
    }

    #[test]
    fn a_change_needs_the_token_of_its_own_session() {
        let (store, token, csrf) = store();
        let change = |csrf: Option<&Secret>| {
            let call = envelope(Some(&token), csrf, calls::Logout {});
            authenticate(&store, Door::Web, &call, NOW).map(|_| ()).map_err(|e| {
                // The audit log names whose session the forged form came with.
                assert_eq!(e.caller.actor().map(ToString::to_string).as_deref(), Some("anna@pve"));
                e.error.kind
            })
        };
        assert_eq!(change(Some(&csrf)), Ok(()));
        assert_eq!(change(None), Err(ErrorKind::Denied));
        assert_eq!(change(Some(&token)), Err(ErrorKind::Denied));
    }

    #[test]
    fn the_web_process_cannot_be_root_and_ends_with_its_session() {
        let (store, token, _) = store();
        let call = envelope(Some(&token), None, calls::GetNode {});
        let mut caller = authenticate(&store, Door::Web, &call, NOW).unwrap();
        assert!(caller.require_local().is_err());
        // Rights are looked up anew, not remembered.
        caller.entries.clear();
        assert!(!caller.may(Privilege::VmAudit, &ObjectPath::Root));
        assert!(caller.renew(&store, NOW));
        assert!(caller.may(Privilege::VmAudit, &ObjectPath::Root));
        store.delete_session(&caller.session().unwrap().token_hash).unwrap();
        assert!(!caller.renew(&store, NOW));
        let stranger = Caller::stranger(None);
        assert!(stranger.authorise(Privilege::VmAudit, &ObjectPath::Root).is_err());
    }
}
