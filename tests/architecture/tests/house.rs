//! The house stands as ARCHITECTURE.md says: floors, doors, no stray `unsafe`, no dead path in documents.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Crates from the ground up; a crate may use those of lower floors only.
const FLOORS: [&[&str]; 6] = [
    &["model"],
    &["protocol", "linux", "store", "auth"],
    &["shim", "runtime", "images", "storage", "network"],
    &["engine"],
    &["web", "cli"],
    &["kiste"],
];

/// Outside crates with the only crates that may use them.
const DOORS: [(&str, &[&str]); 17] = [
    ("nix", &["linux"]),
    ("libc", &["linux"]),
    ("libseccomp", &["linux"]),
    ("landlock", &["linux"]),
    ("rustix", &["linux", "protocol", "shim", "images", "network"]),
    ("rusqlite", &["store"]),
    ("argon2", &["auth"]),
    ("tar", &["images"]),
    ("liblzma", &["images"]),
    ("zstd", &["images"]),
    ("actix-web", &["web"]),
    ("askama", &["web"]),
    ("fluent-templates", &["web"]),
    ("chacha20poly1305", &["auth"]),
    ("ureq", &["engine", "images"]),
    ("reqwest", &[]),
    ("clap", &["cli", "kiste"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each product crate with its direct dependencies, test dependencies left out.
fn crates() -> BTreeMap<String, Vec<String>> {
    let words = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let output = Command::new(env!("CARGO")).args(words).current_dir(root()).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &Value| v.as_str().unwrap().trim_start_matches("kiste-").to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|p| p["manifest_path"].as_str().unwrap().contains("/server/"))
        .map(|p| {
            let all = p["dependencies"].as_array().unwrap().iter();
            (text(&p["name"]), all.filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect())
        })
        .collect()
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|crates| crates.contains(&name))
}

/// What people see knows the vocabulary and the engine's socket, and nothing of what lies behind.
#[test]
fn pages_and_verbs_reach_the_engine_by_its_protocol_only() {
    let crates = crates();
    for name in ["web", "cli"] {
        let own: Vec<&String> = crates[name].iter().filter(|d| floor(d).is_some()).collect();
        assert_eq!(own.len(), 2, "{name}: {own:?}");
        assert!(own.iter().all(|d| ["model", "protocol"].contains(&d.as_str())), "{name}: {own:?}");
    }
}

#[test]
fn crates_use_lower_floors_only() {
    let crates = crates();
    assert!(crates.len() >= 15);
    for (name, dependencies) in &crates {
        // Nearly empty still, beside the house.
        if name == "testkit" {
            continue;
        }
        let own = floor(name).unwrap_or_else(|| panic!("{name} stands on no floor: add it to FLOORS"));
        for lower in dependencies.iter().filter_map(|d| floor(d).map(|f| (d, f))) {
            assert!(lower.1 < own, "{name} must not use {}", lower.0);
        }
    }
}

#[test]
fn outside_crates_come_in_by_their_doors() {
    for (name, dependencies) in crates() {
        for (outside, doors) in DOORS {
            let is_used = dependencies.iter().any(|d| d == outside);
            assert!(!is_used || doors.contains(&name.as_str()), "{name} must not use {outside}");
        }
    }
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
}

#[test]
fn every_source_file_says_what_it_owns_and_unsafe_stays_in_linux() {
    let mut sources = Vec::new();
    files(&root().join("server"), "rs", &mut sources);
    assert!(sources.len() > 60);
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} has no header", path.display());
        let is_linux = path.components().any(|c| c.as_os_str() == "linux");
        assert!(is_linux || !text.contains("unsafe {"), "{} has unsafe code", path.display());
    }
}

#[test]
fn every_path_named_in_the_documents_exists() {
    let mut documents: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect();
    files(&root().join("docs"), "md", &mut documents);
    let mut seen = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c))) {
            let word = word.trim_end_matches(['.', '/']);
            if ["server/", "scripts/", "tests/", "docs/"].iter().any(|start| word.starts_with(start)) {
                seen += 1;
                assert!(root().join(word).exists(), "{} names {word}", document.display());
            }
        }
    }
    assert!(seen > 20);
}
