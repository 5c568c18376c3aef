//! Builds `static/dist` with npm when a style sheet, script or the list of icons has changed.
#![expect(clippy::panic, reason = "a build script speaks to cargo this way")]

use std::{path::Path, process::Command};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../static");
    for name in ["css", "js", "icons.txt", "build.mjs", "package.json", "package-lock.json"] {
        println!("cargo::rerun-if-changed={}", folder.join(name).display());
    }
    for folder in ["../../templates", "messages"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    if !folder.join("node_modules/esbuild").exists() {
        npm(&folder, &["ci", "--no-audit", "--no-fund"]);
    }
    npm(&folder, &["run", "--silent", "build"]);
}

fn npm(folder: &Path, words: &[&str]) {
    let status = Command::new("npm").args(words).current_dir(folder).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("npm {words:?} in static/ failed: {status}"),
        Err(error) => panic!("npm is needed for style sheets and scripts (apt install npm): {error}"),
    }
}
