//! The network follows its containers, and comes back when others take parts of it away. Needs root.

use kiste_tests_system::{Instance, run};
use serde_json::Value;
use std::fs;

/// Addresses that the port rules let pass.
fn owners(k: &Instance) -> Vec<String> {
    let listed = run("nft", &["list", "set", "bridge", k.name(), "owners"]).out;
    let mut found: Vec<String> = listed
        .split_whitespace()
        .filter(|w| w.starts_with("10."))
        .map(|w| w.trim_end_matches(',').into())
        .collect();
    found.sort();
    found
}

/// The number of this instance's dnsmasq.
fn server(k: &Instance) -> Option<String> {
    let wanted = format!("--conf-file={}", k.dir().display());
    fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let line = String::from_utf8_lossy(&fs::read(process.path().join("cmdline")).ok()?).into_owned();
        let is_it = line.starts_with("/usr/sbin/dnsmasq") && line.contains(&wanted);
        is_it.then(|| process.file_name().to_string_lossy().into_owned())
    })
}

#[test]
fn rules_follow_each_container_and_come_back() {
    let Some(k) = Instance::start(15) else { return };
    k.import_debian();
    let address = |name: &str| {
        let config: Value = serde_json::from_str(&k.ok(&["config", name, "--json"])).unwrap();
        config["nic"]["address"].as_str().unwrap().to_owned()
    };
    for name in ["one", "two"] {
        k.ok(&["create", "debian", "--name", name, "--memory", "256"]);
    }
    let (one, two) = (address("one"), address("two"));
    assert_eq!(owners(&k), [one.clone(), two.clone()]);
    k.ok(&["destroy", "one"]);
    assert_eq!(owners(&k), std::slice::from_ref(&two));

    // Somebody flushes the rules: the next container brings back those of all.
    let flush = || {
        for family in ["inet", "bridge"] {
            assert_eq!(run("nft", &["delete", "table", family, k.name()]).code, 0);
        }
    };
    flush();
    k.ok(&["create", "debian", "--name", "three", "--memory", "256"]);
    assert_eq!(owners(&k), [one, two.clone()]);
    flush();
    k.ok(&["destroy", "three"]);
    assert_eq!(owners(&k), std::slice::from_ref(&two));
    // And without one they come back too.
    flush();
    k.wait("the rules are back", || owners(&k) == std::slice::from_ref(&two));
    // Tables that are there and empty let everything pass; a set without its entries, nothing.
    let rules = || {
        let listed = ["inet", "bridge"].map(|family| run("nft", &["list", "table", family, k.name()]).out);
        listed.concat()
    };
    let whole = rules();
    assert!(whole.contains("masquerade") && whole.contains("@owners accept"), "{whole}");
    for family in ["inet", "bridge"] {
        assert_eq!(run("nft", &["flush", "table", family, k.name()]).code, 0);
    }
    assert_eq!(run("nft", &["flush", "set", "bridge", k.name(), "owners"]).code, 0);
    k.wait("rules and entries are back", || rules() == whole);
    k.finish();
}

#[test]
fn a_dead_dnsmasq_is_started_again() {
    let Some(k) = Instance::start(16) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--start"]);
    assert_eq!(k.boot("web"), "running");
    k.wait("its own name resolves", || {
        k.inside("web", "resolvectl query web.kiste.internal").contains("10.116.")
    });
    let first = server(&k).unwrap();
    assert_eq!(run("kill", &["-KILL", &first]).code, 0);
    k.wait("another one runs", || server(&k).is_some_and(|now| now != first));
    let ask = "resolvectl flush-caches; resolvectl query web.kiste.internal";
    k.wait("its name resolves again", || k.inside("web", ask).contains("10.116."));
    k.finish();
}
