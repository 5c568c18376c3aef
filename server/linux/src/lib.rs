//! The kernel as Kiste uses it: the only crate with `unsafe`, and the only door to `nix`, `rustix`,
//! `libc`, `libseccomp` and the netlink crates.
//!
//! One module per kernel subject, named with the kernel's word. Functions take typed arguments and
//! return an errno with what it was about; they never log, and never know what a container is.

pub mod addresses;
pub mod bpf;
pub mod capabilities;
pub mod cgroup;
pub mod disk;
mod host_tools;
pub mod idmap;
pub mod memory;
pub mod mount;
pub mod namespaces;
pub mod overlay;
pub mod process;
pub mod pty;
pub mod remove_tree;
pub mod rights;
pub mod rtnetlink;
pub mod sandbox;
#[cfg(feature = "seccomp")]
pub mod seccomp;
pub mod seccomp_load;
pub mod spawn;
pub mod unprivileged;
