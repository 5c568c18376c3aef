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

/// A link of the host's own with an address, as a VPN that came up later.
struct Link(String);

impl Link {
    fn make(name: &str, address: &str) -> Self {
        let made = Self(name.to_owned());
        for words in [
            vec!["link", "add", name, "type", "bridge"],
            vec!["addr", "add", address, "dev", name],
            vec!["link", "set", name, "up"],
        ] {
            assert_eq!(run("ip", &words).code, 0, "{words:?}");
        }
        made
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        run("ip", &["link", "del", &self.0]);
    }
}

#[test]
fn a_chosen_network_that_a_route_has_come_over_is_noticed() {
    let Some(mut k) = Instance::start(56) else { return };
    k.end_serve("TERM");
    let config = k.dir().join("kiste.toml");
    let text = fs::read_to_string(&config).unwrap();
    let lines = text.lines().filter(|l| !l.starts_with("subnet"));
    fs::write(&config, lines.map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    k.serve();
    let subnet = |k: &Instance| {
        let node: Value = serde_json::from_str(&k.ok(&["node", "--json"])).unwrap();
        node["subnet"].as_str().unwrap().to_owned()
    };
    let first = subnet(&k);
    let doctor = |k: &Instance| {
        let findings: Value = serde_json::from_str(&k.kiste(&["doctor", "--json"]).out).unwrap();
        let is_it = |f: &&Value| f["check"] == "subnet";
        let found = findings.as_array().unwrap().iter().find(is_it).unwrap();
        (found["level"].as_str().unwrap().to_owned(), found["found"].as_str().unwrap().to_owned())
    };
    assert_eq!(doctor(&k).0, "ok");
    let half = first.replace(".1/24", ".129/25");
    assert_ne!(half, first);
    let link = Link::make(&format!("{}l", k.name()), &half);
    let (level, found) = doctor(&k);
    assert!(level == "blocker" && found.contains("overlaps the host's route to 10.77."), "{level} {found}");
    // Nobody has an address of it: the next start takes another one.
    k.end_serve("TERM");
    assert_eq!(doctor(&k).0, "blocker");
    k.serve();
    assert_ne!(subnet(&k), first);
    assert_eq!(doctor(&k).0, "ok");
    // With an address in use it stays, and is told.
    drop(link);
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256"]);
    let second = subnet(&k);
    let link = Link::make(&format!("{}l", k.name()), &second.replace(".1/24", ".129/25"));
    k.end_serve("TERM");
    k.serve();
    assert_eq!(subnet(&k), second);
    assert!(k.log().contains("overlaps a route of the host"), "{}", k.log());
    drop(link);
    k.finish();
}

#[test]
fn who_gets_the_address_of_one_that_is_gone_really_gets_it() {
    let Some(k) = Instance::start(80) else { return };
    k.import_debian();
    let mut addresses = Vec::new();
    for name in ["first", "second"] {
        k.ok(&["create", "debian", "--name", name, "--memory", "256", "--start"]);
        assert_eq!(k.boot(name), "running");
        k.wait("its address is there", || k.inside(name, "hostname -I").starts_with("10."));
        addresses.push(k.inside(name, "hostname -I").trim().to_owned());
        // Killed: it gives nothing back.
        k.ok(&["destroy", name, "--force"]);
    }
    assert_eq!(addresses[0], addresses[1]);
    k.finish();
}
