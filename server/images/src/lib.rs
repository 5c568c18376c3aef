//! Images: archives in, layers out.
//!
//! | part | task | in → out |
//! | --- | --- | --- |
//! | [`worker`] | the confined process | archive on standard input → trees, one report line each |
//! | [`unpack`] | strict extraction | tar stream → tree, digest |
//! | [`import`] | the engine's side | archive file → installed layers, manifest |
//! | [`recipe`] | what can be built | folder of text → checked recipe |
//! | [`build`] | the engine's side | recipe → archive file, by a worker |
//! | [`capture`] | the engine's side | container's layers → one more layer, by a worker |
//! | [`fetch`] | the engine's side | address, checksum → file, by a worker |
//! | [`metadata`] | the engine's side | image servers' metadata → files of a new container, by a worker |
//! | [`source`] | what can be downloaded | lists, signatures → offers |
//! | `process` | running a worker | plan → reports |
//! | `layers` | two trees → the layer between them; layers → tree |
//! | [`archive`] | our own format | manifest, layers → archive |
//!
//! Nothing that came from an archive or a package is read, followed or executed outside a worker. Layers
//! lie at `layers/<digest>/fs` with the ids they have inside (root is 0), each once.

mod archive;
pub mod build;
pub mod capture;
pub mod fetch;
pub mod import;
mod layers;
pub mod metadata;
mod process;
pub mod recipe;
mod report;
pub mod signature;
pub mod source;
mod unpack;
pub mod worker;

/// Debian's name of the architecture that this is built for.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

pub use build::BuildError;
pub use import::{ImageStore, ImportError, Installed};
pub use process::WorkerError;
pub use recipe::{Recipe, RecipeError, RecipeFolder};
