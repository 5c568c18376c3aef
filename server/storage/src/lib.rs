//! Storage: the data folder, and where containers' own layers lie.
//!
//! [`StorageDriver`] is what every kind of pool can do; [`plain::Plain`] works on any file system that
//! can carry an overlay. Creating a container's layer makes folders: no file is copied, no owner changed.
//! What a container can write is reached by descriptors only. It knows no users, tasks or HTTP.
//!
//! ```text
//! data_dir/                 0700 root
//!   containers/<vmid>/      0700 root; rw/ is shown through the container's id map, as one mount
//!     rw/{upper,work}/      the overlay's pair
//!   layers/<digest>/fs/     installed by `images`, never changed
//!   staging/ templates/     `images`'
//!   trash/                  trees on their way in or out
//! ```

mod data_dir;
mod driver;
pub mod plain;
mod trash;

pub use data_dir::{
    DataDirLock, filesystem_name, is_unused, lock_data_dir, new_spool, prepare_data_dir, resolve_layers,
};
pub use driver::{Capabilities, StorageDriver, StorageError};
