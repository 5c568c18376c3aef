//! `scripts/run` holds the engine that it starts. Needs root.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kiste_tests_system::Instance;

/// A tree with the script as it is, and the binary in its place: nothing is installed or built.
fn tree(k: &Instance) -> PathBuf {
    let root = k.dir().join("tree");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    for folder in ["scripts", "target/release"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy(scripts.join("run"), root.join("scripts/run")).unwrap();
    for name in ["install-packages", "build"] {
        let path = root.join("scripts").join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(std::env::var("KISTE_BIN").unwrap(), root.join("target/release/kiste")).unwrap();
    root
}

fn run_script(k: &Instance) -> Output {
    let mut command = Command::new(k.dir().join("tree/scripts/run"));
    command.env("KISTE_CONFIG", k.dir().join("kiste.toml")).output().unwrap()
}

#[test]
fn the_script_leaves_no_engine_behind_and_none_alone() {
    let Some(mut k) = Instance::start(55) else { return };
    tree(&k);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // One runs: that one is named, and goes on.
    let second = run_script(&k);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(text(&second.stderr).contains("kiste serve is running already"), "{second:?}");
    assert!(!text(&second.stdout).contains("Ready"), "{second:?}");
    k.ok(&["list"]);
    // None runs, and the template cannot be built: there is no recipe.
    k.end_serve("TERM");
    let failed = run_script(&k);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(text(&failed.stdout).contains("Setup code"), "{failed:?}");
    assert_eq!(k.traces(), Vec::<String>::new());
    k.serve();
    k.finish();
}
