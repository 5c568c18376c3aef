//! Files that each new container of a template gets, made from a text with placeholders: as the images of LXC, Incus
//! and LXD have them in their metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most of them in one template.
pub const FILES_MAX: usize = 64;
/// Longest text of one, bytes, before and after it is filled in.
pub const TEXT_MAX: usize = 64 << 10;

/// A file to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTemplate {
    /// What it becomes, with the text not filled in.
    #[serde(flatten)]
    pub file: MadeFile,
    /// More values for its placeholders.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// A file as it is put into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// Its path in the container, from `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Whether one that is there stays.
    pub is_create_only: bool,
    /// Its owner inside.
    pub uid: u16,
    /// Its group inside.
    pub gid: u16,
    /// Permission bits.
    pub mode: u16,
}

impl MadeFile {
    /// What is wrong with it; `None`: nothing.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let path = &self.path;
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
        let is_path = path.len() < 1024 && path.strip_prefix('/').is_some_and(|p| p.split('/').all(is_plain));
        if !is_path {
            return Some(format!("{path:?} is no plain path from /"));
        }
        if self.text.len() > TEXT_MAX {
            return Some(format!("{path} is longer than {TEXT_MAX} bytes"));
        }
        (self.mode > 0o777)
            .then(|| format!("{path} has mode {:o}: only permission bits are taken", self.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lies_at_a_plain_path() {
        let file = |path: &str, mode, length| MadeFile {
            path: path.into(),
            text: "x".repeat(length),
            is_create_only: false,
            uid: 0,
            gid: 0,
            mode,
        };
        assert_eq!(file("/etc/inittab", 0o644, TEXT_MAX).fault(), None);
        for (path, mode, length) in [
            ("etc/inittab", 0o644, 1),
            ("/", 0o644, 1),
            ("/etc/../x", 0o644, 1),
            ("/etc//x", 0o644, 1),
            ("/etc/x/", 0o644, 1),
            ("/etc/\n", 0o644, 1),
            ("/bin/sh", 0o4755, 1),
            ("/etc/x", 0o644, TEXT_MAX + 1),
        ] {
            assert!(file(path, mode, length).fault().is_some(), "{path}");
        }
    }
}
