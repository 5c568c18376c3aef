//! Images: archives in, layers out.
//!
//! | part | task | in → out |
//! | --- | --- | --- |
//! | [`worker`] | the confined process | archive on standard input → trees, one report line each |
//! | [`unpack`] | strict extraction | tar stream → tree, digest |
//! | [`import`] | the engine's side | archive file → installed layers, manifest |
//!
//! Nothing that came from an archive is read, followed or executed outside the worker. Layers lie at
//! `layers/<digest>/fs` with the ids they have inside (root is 0), each once.

pub mod import;
mod report;
mod unpack;
pub mod worker;

pub use import::{ImageStore, ImportError, Installed};
