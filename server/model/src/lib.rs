//! The vocabulary of Kiste: what a container, image, limit, task, user, role and privilege *is*.
//!
//! Pure: parsing and rules. It never does I/O, reads a clock or spawns a thread; everything above
//! it speaks in these types, so a value that exists is a value that was checked.
//!
//! | module | owns |
//! | --- | --- |
//! | [`vmid`], [`name`] | a container's identity: number and DNS label |
//! | [`bytes`], [`digest`], [`idmap`] | quantities, content digests, the two sides of an id map |
//! | [`limits`] | memory, swap, CPU and process limits and the rule that checks them |
//! | [`forward`] | a port of the node that leads into a container |
//! | [`network`], [`nic`] | bridge, subnet, MAC address, a container's interface |
//! | [`container`], [`stats`] | configuration, status, what the kernel shows |
//! | [`template`] | container templates: recipe, manifest, image |
//! | [`application`] | parameters, ports, health and access of a template's application |
//! | [`health`] | first boot and health of an application |
//! | [`task`] | task ids in Proxmox's UPID form, states, steps |
//! | [`access`] | users, privileges, roles, object paths |
//! | [`refusal`] | why something was refused, for every language |
//! | [`error_chain`] | an error with its causes on one line |
//! | [`config`] | the node's configuration file |
//! | [`finding`] | what `kiste doctor` says |

pub mod access;
pub mod application;
pub mod bytes;
pub mod checksum;
pub mod config;
pub mod container;
pub mod digest;
pub mod error_chain;
pub mod file_template;
pub mod finding;
pub mod forward;
pub mod health;
pub mod idmap;
pub mod limits;
pub mod name;
pub mod network;
pub mod nic;
pub mod refusal;
pub mod source;
pub mod stats;
pub mod task;
pub mod template;
pub mod vmid;

mod text;

pub use application::Application;
pub use bytes::Bytes;
pub use checksum::Checksum;
pub use container::{ContainerConfig, ContainerStatus, PowerState};
pub use digest::Digest;
pub use error_chain::error_chain;
pub use forward::Forward;
pub use idmap::{ContainerGid, ContainerUid, HostUid, IdMap};
pub use limits::Limits;
pub use name::{ContainerName, Hostname, NodeName};
pub use network::{BridgeName, MacAddress, Subnet};
pub use nic::{Net0, Nic};
pub use refusal::Refusal;
pub use task::TaskId;
pub use template::TemplateName;
pub use vmid::Vmid;
