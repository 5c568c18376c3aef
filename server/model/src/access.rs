//! Who may do what: users, privileges, roles and object paths, with Proxmox's names.

use std::str::FromStr;

use crate::{Refusal, Vmid, text::text_type};

/// A user with realm, `admin@pve`; `root@pam` is host root on the local socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// Host root, as the local socket knows it.
    #[must_use]
    pub fn root() -> Self {
        Self("root@pam".to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads what a person types at the login: without realm, `pve` is meant.
    ///
    /// # Errors
    /// When it is no user id even then.
    pub fn parse_login(s: &str) -> Result<Self, Refusal> {
        if s.contains('@') { s.parse() } else { format!("{s}@pve").parse() }
    }
}

impl FromStr for UserId {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || Refusal::NotAUser { given: s.chars().take(80).collect() };
        let (name, realm) = s.split_once('@').ok_or_else(err)?;
        let plain = |t: &str, max: usize| {
            (1..=max).contains(&t.len())
                && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
                && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        if plain(name, 60) && plain(realm, 32) { Ok(Self(s.to_owned())) } else { Err(err()) }
    }
}

text_type!(UserId);

/// A right, by Proxmox's name. Only those that something here asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// Create and destroy containers.
    VmAllocate,
    /// See a container, its configuration and figures.
    VmAudit,
    /// Start, shut down, stop, reboot, freeze.
    VmPowerMgmt,
    /// Its consoles and exec.
    VmConsole,
    /// Change CPU limits.
    VmConfigCpu,
    /// Change memory limits.
    VmConfigMemory,
    /// Change name, processes, start at boot.
    VmConfigOptions,
    /// Change interfaces.
    VmConfigNetwork,
    /// See templates.
    DatastoreAudit,
    /// Build, import and remove templates.
    DatastoreAllocateTemplate,
    /// Use a storage for a new container.
    DatastoreAllocateSpace,
    /// See the node, all tasks, doctor.
    SysAudit,
    /// Change the node.
    SysModify,
    /// Users.
    UserModify,
    /// Rights.
    PermissionsModify,
}

impl Privilege {
    /// All of them with Proxmox's names.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::VmAllocate, "VM.Allocate"),
        (Self::VmAudit, "VM.Audit"),
        (Self::VmPowerMgmt, "VM.PowerMgmt"),
        (Self::VmConsole, "VM.Console"),
        (Self::VmConfigCpu, "VM.Config.CPU"),
        (Self::VmConfigMemory, "VM.Config.Memory"),
        (Self::VmConfigOptions, "VM.Config.Options"),
        (Self::VmConfigNetwork, "VM.Config.Network"),
        (Self::DatastoreAudit, "Datastore.Audit"),
        (Self::DatastoreAllocateTemplate, "Datastore.AllocateTemplate"),
        (Self::DatastoreAllocateSpace, "Datastore.AllocateSpace"),
        (Self::SysAudit, "Sys.Audit"),
        (Self::SysModify, "Sys.Modify"),
        (Self::UserModify, "User.Modify"),
        (Self::PermissionsModify, "Permissions.Modify"),
    ];

    /// Proxmox's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(p, _)| *p == self).map_or("", |(_, name)| name)
    }
}

impl std::fmt::Display for Privilege {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Privilege {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(_, name)| *name == s).map(|(p, _)| *p).ok_or(())
    }
}

/// A named set of privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Role {
    /// Everything.
    Administrator,
    /// Look, touch nothing.
    #[serde(rename = "PVEAuditor")]
    Auditor,
    /// Use containers: see, power, console.
    #[serde(rename = "PVEVMUser")]
    VmUser,
    /// Nothing; ends inheritance.
    NoAccess,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Administrator, Self::Auditor, Self::VmUser, Self::NoAccess];

    /// Proxmox's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::Auditor => "PVEAuditor",
            Self::VmUser => "PVEVMUser",
            Self::NoAccess => "NoAccess",
        }
    }

    /// Whether the role holds the privilege.
    #[must_use]
    pub fn has(self, privilege: Privilege) -> bool {
        use Privilege as P;
        match self {
            Self::Administrator => true,
            Self::Auditor => matches!(privilege, P::VmAudit | P::DatastoreAudit | P::SysAudit),
            Self::VmUser => matches!(privilege, P::VmAudit | P::VmPowerMgmt | P::VmConsole),
            Self::NoAccess => false,
        }
    }
}

impl FromStr for Role {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|r| r.as_str() == s).ok_or(())
    }
}

/// What a right is asked on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectPath {
    /// `/`
    Root,
    /// `/vms`: all containers, also those that are not yet.
    Vms,
    /// `/vms/100`
    Vm(Vmid),
    /// `/storage/local`: templates and pools.
    Storage,
    /// `/nodes/NODE`: this node.
    Node,
    /// `/access`: users and rights.
    Access,
}

impl ObjectPath {
    /// The path and all above it, nearest first: a right on any of them counts.
    #[must_use]
    pub fn lineage(&self) -> Vec<String> {
        match self {
            Self::Root => vec!["/".into()],
            Self::Vms => vec!["/vms".into(), "/".into()],
            Self::Vm(id) => vec![format!("/vms/{id}"), "/vms".into(), "/".into()],
            Self::Storage => vec!["/storage/local".into(), "/storage".into(), "/".into()],
            Self::Node => vec!["/nodes".into(), "/".into()],
            Self::Access => vec!["/access".into(), "/".into()],
        }
    }
}

impl std::fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.lineage().first().map_or("/", String::as_str))
    }
}

/// The role that decides on an object: the entry nearest to it, NoAccess included.
#[must_use]
pub fn effective_role(entries: &[(String, Role)], object: &ObjectPath) -> Option<Role> {
    object.lineage().iter().find_map(|path| entries.iter().find(|(p, _)| p == path).map(|(_, role)| *role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_keep_proxmox_names() {
        for (privilege, name) in Privilege::ALL {
            assert_eq!(name.parse(), Ok(privilege));
            assert_eq!(privilege.as_str(), name);
        }
    }

    #[test]
    fn the_nearest_entry_decides() {
        let vm = ObjectPath::Vm("100".parse().unwrap());
        let entries = [("/".to_owned(), Role::Administrator), ("/vms/100".to_owned(), Role::NoAccess)];
        assert_eq!(effective_role(&entries, &vm), Some(Role::NoAccess));
        assert_eq!(effective_role(&entries, &ObjectPath::Storage), Some(Role::Administrator));
        assert_eq!(effective_role(&[], &vm), None);
    }

    #[test]
    fn user_ids_cannot_carry_separators() {
        assert_eq!(UserId::parse_login("anna").unwrap().as_str(), "anna@pve");
        for bad in ["", "@pve", "a@", "a:b@pve", "a b@pve", "a@b@c", "a\n@pve", "-a@pve", "a@pve!t"] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
        }
    }
}
