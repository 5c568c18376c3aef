//! Finding and reading the configuration file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use model::config::{Config, ConfigError, DEFAULT_PATH};
use thiserror::Error;

/// The configuration cannot be had.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// A file that was named and is not there, or cannot be read.
    #[error("cannot read the configuration {0}")]
    Read(PathBuf, #[source] io::Error),
    /// Its content.
    #[error("{0}")]
    Parse(PathBuf, #[source] ConfigError),
}

/// Reads the named file, else the default one, else takes all defaults.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, LoadError> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if named.is_none() && e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(LoadError::Read(path.to_owned(), e)),
    };
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Config::parse(&text, hostname.trim()).map_err(|e| LoadError::Parse(path.to_owned(), e))
}
