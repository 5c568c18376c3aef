//! `kiste worker signature`: whether a key with a given fingerprint has signed a file; gpgv(1).
//!
//! Key and signature come from anywhere and are hostile: they are read here only, without network. What
//! counts is the fingerprint, which the engine has from a recipe or the configuration.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use linux::sandbox;
use model::idmap::IdMap;

use super::{Confinement, run_confined};
use crate::signature::SignaturePlan;

/// The tool, and its package.
pub(crate) const TOOL: (&str, &str) = ("/usr/bin/gpgv", "gpgv");
/// Largest plan.
const PLAN_MAX: u64 = 4096;
/// The mapped folder, inside.
const WORK: &str = "/work";

/// Reads the plan and does it, confined.
pub(super) fn run(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let reach = sandbox::Reach::Tools(16 << 20);
    let confinement = Confinement { plan_max: PLAN_MAX, reach, memory_max: 1 << 30, cpu_max_s: 600 };
    run_confined(ids, folder, &confinement, |_, plan: SignaturePlan| verify(&plan))
}

fn verify(plan: &SignaturePlan) -> Result<(), String> {
    let failed = |what: &'static str| move |e: io::Error| format!("cannot {what}: {e}");
    let file = |name: &str| Path::new(WORK).join(name);
    let key = fs::read(file(&plan.key)).map_err(failed("read the key"))?;
    let ring = Path::new("/tmp/ring.gpg");
    fs::write(ring, binary(&key)?).map_err(failed("write the key"))?;
    let output = Command::new(TOOL.0)
        .args(["--status-fd", "1", "--weak-digest", "SHA1", "--homedir", "/tmp", "--keyring"])
        .arg(ring)
        .args([file(&plan.signature), file(&plan.data)])
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .map_err(failed("start gpgv"))?;
    let status = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && is_by(&status, &plan.fingerprint) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why =
        said.lines().filter_map(|l| l.strip_prefix("gpgv: ")).next_back().unwrap_or("it is by another key");
    let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(format!("its signature is not by key {}: {why}; nothing of it is used", plan.fingerprint))
}

/// Whether gpgv's status says that the key with this fingerprint, or one of its subkeys, made a good
/// signature. VALIDSIG ends with the fingerprint of the whole key; GOODSIG is missing when key or
/// signature have expired or are revoked (DETAILS in gnupg's documentation).
fn is_by(status: &str, fingerprint: &str) -> bool {
    let lines = || status.lines().filter_map(|l| l.strip_prefix("[GNUPG:] "));
    let mut valid = lines().filter_map(|l| l.strip_prefix("VALIDSIG "));
    let is_only =
        valid.next().is_some_and(|l| l.split(' ').next_back() == Some(fingerprint)) && valid.next().is_none();
    is_only && lines().filter(|l| l.starts_with("GOODSIG ")).count() == 1
}

/// gpgv reads binary keys only; most vendors give the armoured form (RFC 9580, section 6).
fn binary(key: &[u8]) -> Result<Vec<u8>, String> {
    let Ok(text) = std::str::from_utf8(key) else { return Ok(key.to_vec()) };
    let Some((_, block)) = text.split_once("-----BEGIN PGP PUBLIC KEY BLOCK-----") else {
        return Ok(key.to_vec());
    };
    let damaged = || "the key is damaged: its armour does not end".to_owned();
    let (block, _) = block.split_once("-----END PGP PUBLIC KEY BLOCK-----").ok_or_else(damaged)?;
    // Headers end with an empty line; the checksum's line begins with '='.
    let mut lines = block.trim_start_matches(['\r', '\n']).lines().map(str::trim);
    let mut base64 = String::new();
    if block.lines().any(|l| l.contains(": ")) {
        lines.by_ref().find(|l| l.is_empty());
    }
    lines.take_while(|l| !l.starts_with('=')).for_each(|l| base64.push_str(l));
    BASE64_STANDARD.decode(base64).map_err(|e| format!("the key is damaged: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "28806A878AE423A28372792ED75899B9A724937A";

    #[test]
    fn only_one_good_signature_of_that_key_counts() {
        let valid = format!("[GNUPG:] VALIDSIG {} 2026-01-01 1 0 4 0 1 8 00 {KEY}\n", "B".repeat(40));
        let good = "[GNUPG:] GOODSIG D75899B9A724937A Somebody\n";
        assert!(is_by(&format!("{good}{valid}"), KEY));
        for bad in [
            String::new(),
            valid.clone(),
            good.to_owned(),
            format!("[GNUPG:] EXPKEYSIG D75899B9A724937A Somebody\n{valid}"),
            format!("{good}{}", valid.replace(KEY, &"A".repeat(40))),
            // A name that looks like a status line.
            format!("[GNUPG:] GOODSIG 1 VALIDSIG {KEY}\n"),
            format!("{good}{valid}{valid}"),
            format!("{good}{good}{valid}"),
        ] {
            assert!(!is_by(&bad, KEY), "{bad}");
        }
    }

    #[test]
    fn keys_come_with_armour_or_without() {
        let armoured = "x\n-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\nAQID\nBA==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(binary(armoured.as_bytes()).unwrap(), [1, 2, 3, 4]);
        assert_eq!(binary(armoured.replace("Version: 1\n", "").as_bytes()).unwrap(), [1, 2, 3, 4]);
        assert_eq!(binary(&[0x99, 1, 2]).unwrap(), [0x99, 1, 2]);
        assert!(binary(&armoured.as_bytes()[..60]).is_err());
        assert!(binary(armoured.replace("AQID", "!!!!").as_bytes()).is_err());
    }
}
