//! Builds the shim, a static binary, and hands its path to `include_bytes!`.
//!
//! A build of its own is needed because the shim is linked statically and without unwinding, which
//! cargo cannot do for one crate of a build. `KISTE_SHIM=FILE` takes a ready one instead.

use std::{env, error::Error, path::PathBuf, process::Command};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=KISTE_SHIM");
    for part in ["shim", "linux", "protocol", "model"] {
        println!("cargo::rerun-if-changed=../{part}/src");
    }
    let shim = match env::var_os("KISTE_SHIM") {
        Some(ready) => PathBuf::from(ready),
        None => build()?,
    };
    println!("cargo::rustc-env=KISTE_SHIM_FILE={}", shim.display());
    Ok(())
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("shim");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--locked",
        "--package",
        "kiste-shim",
        "--profile",
        "shim",
        "--target",
        TARGET,
    ]);
    command.arg("--target-dir").arg(&out).current_dir(manifest.join("../.."));
    // Settings of the outer build must not leak into this one.
    let outer =
        |key: &str| key.starts_with("CARGO_ENCODED") || key.starts_with("CARGO_CFG") || key == "RUSTFLAGS";
    for (key, _) in env::vars().filter(|(key, _)| outer(key)) {
        command.env_remove(key);
    }
    for key in
        ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CLIPPY_ARGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"]
    {
        command.env_remove(key);
    }
    command.env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static");
    if !command.status()?.success() {
        return Err("the shim could not be built".into());
    }
    Ok(out.join(TARGET).join("shim/kiste-shim"))
}
