//! Who calls, and whether they may: the one place where rights are checked (security rule 23).
//!
//! [`authenticate`] turns an envelope into a [`Caller`]; [`Caller::authorise`] turns a caller, a
//! privilege and an object into a [`Grant`]. Operations take a grant, so an unchecked one does not
//! compile.

use std::net::IpAddr;

use model::access::{ObjectPath, Privilege, Role, UserId, effective_role};
use protocol::engine::{ApiError, Envelope, ErrorKind};

/// Which socket a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `engine.sock`: host root.
    Local,
}

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    user: UserId,
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

/// Finds out who calls. The kernel has vouched for the peer of the local socket.
pub(crate) fn authenticate(door: Door, envelope: &Envelope) -> Caller {
    match door {
        Door::Local => Caller {
            user: UserId::root(),
            address: envelope.address,
            entries: vec![("/".to_owned(), Role::Administrator)],
        },
    }
}

impl Caller {
    /// Checks a right; the refusal names object and privilege in Proxmox's words.
    pub(crate) fn authorise(&self, privilege: Privilege, object: &ObjectPath) -> Result<Grant, ApiError> {
        if self.may(privilege, object) {
            return Ok(Grant { user: self.user.clone() });
        }
        let text =
            format!("permission check failed ({object}, {privilege}): ask an administrator for that right");
        Err(ApiError::new(ErrorKind::Denied, text))
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

    /// Who, for the audit log.
    pub(crate) fn actor(&self) -> &UserId {
        &self.user
    }
}
