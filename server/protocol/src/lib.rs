//! The two sockets of Kiste: the engine's and the shim's. What is said on them, how it is framed,
//! how file descriptors travel. It decides nothing.
//!
//! | module | owns |
//! | --- | --- |
//! | [`channel`] | framing on a SEQPACKET socket, file descriptors, length limits |
//! | [`engine`] | calls to the engine, their replies, events; [`Client`] |
//! | [`shim`] | the plan a shim starts from, calls to it |
//! | [`terminal`] | the caller's own terminal in raw mode |
//! | [`viewer`] | frames on a viewer socket: console and exec bytes, resize, exit |
//!
//! All messages are JSON: unknown fields are ignored, so that a shim of an earlier version keeps
//! working with a newer engine.

pub mod channel;
pub mod engine;
pub mod shim;
pub mod terminal;
pub mod viewer;

pub use channel::{Channel, ChannelError};
pub use engine::client::{CallError, Client};
