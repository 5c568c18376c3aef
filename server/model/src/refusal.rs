//! What a person is told when what they asked for is refused: one value for each reason.
//!
//! Its `Display` is the English text of the command line; pages look the reason up in their message
//! catalogue under `refusal-` and the variant's name in dashes, with the fields as values. That is why a
//! reason has named fields of plain text and numbers, in the form in which they are shown.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why something was refused: what, why, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each text says what its reason means; the fields are the values in it")]
pub enum Refusal {
    // Texts that cannot be read as what they should be.
    #[error("{given:?} is no container number: it must be a whole number from 100 to 999999999")]
    NotAVmid { given: String },
    #[error("a name has 1 to {max} characters, {given:?} has {len}")]
    NameLength { given: String, len: usize, max: usize },
    #[error("{given:?} is no DNS label: use a-z, 0-9 and -, and begin and end with a letter or digit")]
    NotALabel { given: String },
    #[error("{given:?} is all digits and would be taken for a container number: add a letter")]
    AllDigits { given: String },
    #[error("{given:?} is a reserved word: choose another name")]
    ReservedName { given: String },
    #[error("{given:?} is no size: write a number with K, M, G or T, such as 512M or 1.5 GiB")]
    NotASize { given: String },
    #[error("{given:?} is no whole number: write one such as 2")]
    NotAWholeNumber { given: String },
    #[error("{given:?} is no CPU limit: write a number of cores from 0.01 up, such as 0.5 or 2")]
    NotACpuLimit { given: String },
    #[error("{given:?} is no MAC address: write six hex pairs with colons, the first one even")]
    NotAMac { given: String },
    #[error(
        "{given:?} is no template name: use 1 to 64 of a-z, 0-9, dot and dash, beginning with a letter or digit"
    )]
    NotATemplateName { given: String },
    #[error(
        "{given:?} is no source name: use 1 to 32 of a-z, 0-9 and dash, beginning with a letter or digit"
    )]
    NotASourceName { given: String },
    #[error("{given:?} is no address to download from: {why}")]
    NotAnAddress { given: String, why: String },
    #[error("{given:?} is no checksum: write the 64 hex digits of SHA-256")]
    NotAChecksum { given: String },
    #[error("there is no source {name}: the configuration has {known}")]
    NoSource { name: String, known: String },
    #[error(
        "no source offers {name}: `kiste template refresh` asks them anew, `kiste template available` shows what there is"
    )]
    NoOffer { name: String },
    #[error("{name} is offered by {sources}: write SOURCE/{name}")]
    OfferedTwice { name: String, sources: String },
    #[error("{given:?} is no port forward: write NODE:CONTAINER or NODE:CONTAINER/udp, such as 8081:80")]
    NotAForward { given: String },
    #[error("{given:?} is no name of a bridge: use 1 to 15 letters, digits, dot, dash or underscore")]
    NotALinkName { given: String },
    #[error(
        "{given:?} is no interface: write name=eth0,bridge=vmbr0,ip=dhcp, or ip=192.168.1.50/24,gw=192.168.1.1"
    )]
    NotANet0 { given: String },
    #[error("an interface has no key {key}: there are name, bridge, ip, gw, dns and hwaddr")]
    Net0KeyUnknown { key: String },
    #[error("the key {key} of an interface is not built yet: leave it out")]
    Net0KeyLater { key: String },
    #[error(
        "{given:?} is no address for a machine in a LAN: write dhcp, or one with its prefix such as 192.168.1.50/24"
    )]
    NotALanAddress { given: String },
    #[error(
        "the gateway {given:?} is no other machine in {network}: write the address that the router has there"
    )]
    NotAGateway { given: String, network: String },
    #[error(
        "a gateway or name server was given without an address: by DHCP they come with it, else give the address too"
    )]
    GatewayWithDhcp,
    #[error(
        "{given:?} is no name server that a container can reach: write an IPv4 address that is not the loopback's"
    )]
    NotANameServer { given: String },
    #[error("an interface may have {max} name servers")]
    TooManyNameServers { max: usize },
    #[error(
        "address, gateway and name servers are for an interface in a LAN: name its bridge too, such as vmbr0"
    )]
    BridgeMissing,
    #[error("{given:?} is no task id: copy it from `kiste task list`")]
    NotATaskId { given: String },
    #[error(
        "{given:?} is no user: use 1 to 60 letters, digits, dot, dash or underscore, and a realm such as admin@pve"
    )]
    NotAUser { given: String },
    #[error("{given:?} is no public ssh key: each line begins like ssh-ed25519 AAAA...")]
    NotAnSshKey { given: String },
    #[error("{given:?} is no value for the preference {key:?}")]
    NotAPreference { key: String, given: String },

    // Parameters of an application.
    #[error("there is no parameter {name}: there are {known}")]
    NoParameter { name: String, known: String },
    #[error("the parameter {name} must be given: it has no default")]
    ParameterMissing { name: String },
    #[error("the parameter {name} has {len} characters: {min} to {max} are possible")]
    ParameterLength { name: String, len: usize, min: usize, max: usize },
    #[error("the parameter {name} has a control character: write it on one line")]
    ParameterControlCharacter { name: String },
    #[error("the parameter {name} cannot be {given:?}: it must be of the kind {kind}")]
    ParameterValue { name: String, given: String, kind: String },

    // Limits.
    #[error("memory {given} is too little: a container needs at least 16 MiB")]
    MemoryTooSmall { given: String },
    #[error("memory {given} is more than this node has ({host}): choose less")]
    MemoryAboveHost { given: String, host: String },
    #[error("swap {given} is out of range: choose at most 1 TiB")]
    SwapOutOfRange { given: String },
    #[error("{given} cores is out of range: this node has {host}, choose 1 to {host}")]
    CoresOutOfRange { given: u32, host: u32 },
    #[error("a CPU limit of {given} cores is out of range: this node has {host}, choose 0.01 to {host}")]
    CpuLimitOutOfRange { given: String, host: u32 },
    #[error("{given} CPU units is out of range: choose 1 to 10000 (100 is normal)")]
    CpuUnitsOutOfRange { given: u32 },
    #[error("{given} processes is out of range: choose 16 to 4194304")]
    PidsOutOfRange { given: u32 },
    #[error("the kernel refused the limits ({reason}): more may be in use than they allow")]
    LimitsRefused { reason: String },

    // Signing in.
    #[error("the password is too short: use at least {min} characters")]
    PasswordTooShort { min: usize },
    #[error("the password is too long: use at most {max} bytes")]
    PasswordTooLong { max: usize },
    #[error("the password has a control character: use characters that can be typed")]
    PasswordControlCharacter,
    #[error("user name or password is wrong")]
    WrongPassword,
    #[error("the setup code is wrong: `kiste setup-code` on the node prints a new one")]
    WrongSetupCode,
    #[error("the setup is over, an administrator exists: log in instead")]
    SetupIsOver,
    #[error("too many failed tries: wait {seconds} s")]
    TooManyTries { seconds: u32 },
    #[error("the session has ended: log in again")]
    SessionEnded,
    #[error("the form does not belong to this session: load the page again and repeat")]
    ForgedForm,
    #[error("the console ticket is used up, too old or not for this: open the page again")]
    TicketUsedUp,

    // Rights.
    #[error("permission check failed ({object}, {privilege}): ask an administrator for that right")]
    Denied { object: String, privilege: String },
    #[error("only root on the node itself may do this: use the command line there")]
    LocalOnly,

    // Things that are not, not yet, or no longer as they were.
    #[error("there is no container {name}: `kiste list` shows all")]
    NoContainer { name: String },
    #[error("there is no installed template {name}: `kiste template list` shows all")]
    NoTemplate { name: String },
    #[error("the container template {name} was removed or replaced meanwhile: try again")]
    TemplateGone { name: String },
    #[error("there is no task {name}: `kiste task list` shows all")]
    NoTask { name: String },
    #[error("{what} {given} is taken: choose another")]
    Taken { what: Thing, given: String },
    #[error("port {port} of the node is in use by a program of its own: choose another")]
    PortInUse { port: String },
    #[error("a container may have {max} port forwards")]
    TooManyForwards { max: usize },
    #[error("there is no interface {name} on this node: `ip link show type bridge` lists its bridges")]
    NoBridge { name: String },
    #[error(
        "{name} is an interface of this node but no bridge: make one that has it as a port, and name that"
    )]
    NotABridge { name: String },
    #[error(
        "{name} is this instance's own bridge, where it gives the addresses: leave the bridge out for that"
    )]
    OwnBridge { name: String },
    #[error(
        "{name} is the bridge of another instance of Kiste, which lets only its own containers in: name one of the LAN"
    )]
    OthersBridge { name: String },
    #[error("a container with its own address in the LAN is reached there: take its port forwards away")]
    ForwardsInLan,
    #[error(
        "{name} needs its own address in the LAN: name the LAN's bridge, such as --net0 bridge=vmbr0,ip=dhcp"
    )]
    LanNeeded { name: String },
    #[error("somebody else changed it meanwhile: load it again and repeat")]
    Stale,
    #[error("container {name} is {status}: cannot {deed} it now")]
    WrongStatus { name: String, status: String, deed: Deed },
    #[error("{name} is busy with task {task}: wait for it, or cancel it")]
    Busy { name: String, task: String },
    #[error("the task has ended already")]
    TaskEnded,
    #[error("container {name} has no stored password")]
    NoPassword { name: String },
    #[error("the first boot of {name} has not failed: there is nothing to try again")]
    NothingToRetry { name: String },
    #[error("the first boot of {name} failed again: its status says at which script")]
    RetryFailed { name: String },
    #[error("no archive came with it: choose a file")]
    NoArchive,
    #[error("the upload was cut off: try again")]
    UploadCutOff,
    #[error("the form was not filled in on this page: load it again")]
    ForeignForm,
    #[error("the archive is larger than {max}")]
    ArchiveTooLarge { max: String },
    #[error("the archive cannot be stored: {reason}")]
    ArchiveNotStored { reason: String },

    // What the node cannot give.
    #[error("no {what} is free: remove a container first")]
    NoneFree { what: Thing },
    #[error("all {count} id blocks are in use: raise id_count in the configuration")]
    NoIdBlockFree { count: u32 },
    #[error("the engine does not answer: it may be starting, try again in a moment")]
    NoAnswer,
    #[error("the engine is ending: try again when it runs")]
    Ending,
    #[error("something went wrong inside (reference {reference}): the engine's log has the details")]
    Internal { reference: u32 },
}

/// A thing there is one of for each container or on the whole node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// A container's number.
    Vmid,
    /// A container's name.
    Name,
    /// Its block of ids on the host.
    IdBlock,
    /// Its MAC address.
    Mac,
    /// Its address.
    Address,
    /// A user.
    User,
    /// A task's number.
    Task,
    /// A port of the node.
    Port,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Vmid => "container number",
            Self::Name => "the name",
            Self::IdBlock => "id block",
            Self::Mac => "MAC address",
            Self::Address => "address",
            Self::User => "the user",
            Self::Task => "task number",
            Self::Port => "port",
        })
    }
}

/// What cannot be done with a container in its present status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the verbs of the command line")]
pub enum Deed {
    Start,
    Shutdown,
    Stop,
    Reboot,
    Suspend,
    Resume,
    Destroy,
    Exec,
    Console,
    Rewire,
    MakeTemplate,
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Shutdown => "shut down",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Destroy => "destroy (without --force)",
            Self::Exec => "run a command in",
            Self::Console => "open a console of",
            Self::Rewire => "change the interface of",
            Self::MakeTemplate => "make a template from (stop or suspend it)",
        })
    }
}

impl Refusal {
    /// The same about a parameter that a page calls by its label.
    #[must_use]
    pub fn about(mut self, label: &str) -> Self {
        match &mut self {
            Self::ParameterMissing { name }
            | Self::ParameterLength { name, .. }
            | Self::ParameterControlCharacter { name }
            | Self::ParameterValue { name, .. } => label.clone_into(name),
            _ => {}
        }
        self
    }

    /// The field of a form and the option that it belongs to, when it belongs to one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        Some(match self {
            Self::ParameterMissing { name }
            | Self::ParameterLength { name, .. }
            | Self::ParameterControlCharacter { name }
            | Self::ParameterValue { name, .. } => name,
            Self::MemoryTooSmall { .. } | Self::MemoryAboveHost { .. } | Self::LimitsRefused { .. } => {
                "memory"
            }
            Self::SwapOutOfRange { .. } => "swap",
            Self::CoresOutOfRange { .. } => "cores",
            Self::CpuLimitOutOfRange { .. } | Self::NotACpuLimit { .. } => "cpulimit",
            Self::CpuUnitsOutOfRange { .. } => "cpuunits",
            Self::PidsOutOfRange { .. } => "pids",
            Self::PasswordTooShort { .. } | Self::PasswordTooLong { .. } | Self::PasswordControlCharacter => {
                "password"
            }
            Self::WrongSetupCode => "code",
            Self::NotAnSshKey { .. } => "ssh_keys",
            Self::NoTemplate { .. } | Self::TemplateGone { .. } => "template",
            Self::NoArchive
            | Self::UploadCutOff
            | Self::ForeignForm
            | Self::ArchiveTooLarge { .. }
            | Self::ArchiveNotStored { .. } => "file",
            Self::NameLength { .. }
            | Self::NotALabel { .. }
            | Self::AllDigits { .. }
            | Self::ReservedName { .. }
            | Self::Taken { what: Thing::Name, .. } => "name",
            Self::Taken { what: Thing::Port, .. }
            | Self::PortInUse { .. }
            | Self::NotAForward { .. }
            | Self::TooManyForwards { .. }
            | Self::ForwardsInLan => "forwards",
            Self::NotALinkName { .. }
            | Self::NoBridge { .. }
            | Self::NotABridge { .. }
            | Self::OwnBridge { .. }
            | Self::OthersBridge { .. }
            | Self::BridgeMissing => "lan_bridge",
            Self::NotALanAddress { .. } | Self::Taken { what: Thing::Address, .. } => "lan_ip",
            Self::NotAGateway { .. } | Self::GatewayWithDhcp => "lan_gateway",
            Self::NotANameServer { .. } | Self::TooManyNameServers { .. } => "lan_dns",
            Self::NotANet0 { .. }
            | Self::Net0KeyUnknown { .. }
            | Self::Net0KeyLater { .. }
            | Self::LanNeeded { .. } => "network",
            Self::Taken { what: Thing::Vmid, .. } | Self::NotAVmid { .. } => "vmid",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_travels_as_its_code_and_its_values() {
        let refusal = Refusal::CoresOutOfRange { given: 9, host: 2 };
        let json = serde_json::to_value(&refusal).unwrap();
        assert_eq!(json, serde_json::json!({ "code": "cores-out-of-range", "given": 9, "host": 2 }));
        assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
        let refusal =
            Refusal::WrongStatus { name: "web".into(), status: "running".into(), deed: Deed::Start };
        assert_eq!(refusal.to_string(), "container web is running: cannot start it now");
    }
}
