//! Building templates, from the network to two booted containers. Each test downloads packages.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use kiste_tests_system::{Instance, names, run};
use serde_json::Value;

/// A copy of the Debian recipe in the instance's folder of recipes.
fn copy_recipe(k: &Instance) -> PathBuf {
    k.copy_recipes(&["debian-12"]);
    k.dir().join("recipes/debian-12")
}

/// A hook that tells what a build can do to the host; it changes nothing in the tree.
fn probe(k: &Instance) -> String {
    let data = k.dir().join("data");
    format!(
        r#"#!/bin/sh
for path in /usr/kiste-probe /etc/passwd /usr/bin/true {data}/kiste-probe; do
    (echo >> "$path") 2>/dev/null && echo "PROBE wrote $path"
done
mount -o remount,bind,rw /usr 2>/dev/null && echo "PROBE remounted"
cat /etc/shadow >/dev/null 2>&1 && echo "PROBE shadow"
ls {data} >/dev/null 2>&1 && echo "PROBE data"
echo "PROBE map" $(cat /proc/self/uid_map)
"#,
        data = data.display()
    )
}

/// A process: number, parent, name, and its four user ids.
type Process = (u32, u32, String, Vec<u32>);

fn processes() -> Vec<Process> {
    let status = |pid: &str| fs::read_to_string(format!("/proc/{pid}/status")).ok();
    let all =
        names(Path::new("/proc")).into_iter().filter_map(|pid| Some((pid.parse().ok()?, status(&pid)?)));
    all.filter_map(|(pid, text)| {
        let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        let ids = field("Uid:")?.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        Some((pid, field("PPid:")?.parse().ok()?, field("Name:")?.to_owned(), ids))
    })
    .collect()
}

/// The build worker and all that it runs; the engine's other helpers are not among it.
fn builders(k: &Instance) -> Vec<Process> {
    let all = processes();
    let is_worker = |p: &&Process| {
        let line = fs::read(format!("/proc/{}/cmdline", p.0)).unwrap_or_default();
        p.1 == k.serve_pid() && String::from_utf8_lossy(&line).contains("\0worker\0build\0")
    };
    let mut found: BTreeSet<u32> = all.iter().filter(is_worker).map(|p| p.0).collect();
    loop {
        let before = found.len();
        let more: Vec<u32> = all.iter().filter(|p| found.contains(&p.1)).map(|p| p.0).collect();
        found.extend(more);
        if found.len() == before {
            return all.into_iter().filter(|p| found.contains(&p.0)).collect();
        }
    }
}

fn task(k: &Instance, id: &str) -> Value {
    serde_json::from_str(&k.ok(&["task", "status", id, "--json"])).unwrap()
}

#[test]
fn a_recipe_becomes_containers_that_share_no_identity() {
    let Some(k) = Instance::start(20) else { return };
    let base = k.id_base();
    let recipe = copy_recipe(&k);
    fs::write(recipe.join("hooks/95-probe"), probe(&k)).unwrap();
    assert!(k.refused(&["template", "build", "debian-99"]).contains("it holds debian-12"));
    assert!(k.ok(&["template", "available", "--json"]).contains("\"installed\": null"));

    let mut build = k.command(&["template", "build", "debian-12"]).stderr(Stdio::piped()).spawn().unwrap();
    let (mut log, mut seen) = (Vec::new(), BTreeSet::new());
    // A look at the processes with every line of the log.
    for line in BufReader::new(build.stderr.take().unwrap()).lines() {
        log.push(line.unwrap());
        let all = builders(&k);
        // Before its tool runs, the worker is still being confined.
        if all.iter().any(|p| p.2 == "mmdebstrap") {
            for (_, _, name, ids) in &all {
                let is_own = |id: &u32| (base..base + 65_536).contains(id);
                assert!(ids.len() == 4 && ids.iter().all(is_own), "{name} runs as {ids:?}");
                seen.insert(name.clone());
            }
        }
    }
    assert!(build.wait().unwrap().success(), "{log:#?}");
    assert!(["kiste", "mmdebstrap", "dpkg"].iter().all(|n| seen.contains(*n)), "{seen:?}");
    let probed: Vec<&str> = log.iter().map(String::as_str).filter(|l| l.starts_with("PROBE")).collect();
    assert_eq!(probed, [format!("PROBE map 0 {base} 65536")]);

    let list: Value = serde_json::from_str(&k.ok(&["template", "list", "--json"])).unwrap();
    let template = &list[0];
    assert_eq!((&template["name"], &template["origin"]), (&"debian-12".into(), &"built".into()));
    let packages = template["packages"].as_array().unwrap();
    assert!(packages.iter().any(|p| p.as_str().unwrap().starts_with("openssh-server 1:")));
    let archives = k.dir().join("data/templates");
    let archive = format!("debian-12-{}.tar.zst", template["version"].as_str().unwrap());
    assert_eq!(names(&archives), [archive.as_str()]);
    assert_eq!(fs::metadata(archives.join(&archive)).unwrap().permissions().mode() & 0o777, 0o600);

    for name in ["one", "two"] {
        k.ok(&["create", "debian-12", "--name", name, "--memory", "256", "--start"]);
    }
    for name in ["one", "two"] {
        assert_eq!(k.boot(name), "running");
        assert_eq!(k.inside(name, "systemctl --failed --no-legend --plain"), "");
        // At once: booted means that they are up.
        let services = k.inside(name, "systemctl is-active ssh cron systemd-networkd");
        assert_eq!(services, "active\nactive\nactive");
        // A circle of units costs one of them its start, now this one and now that.
        assert_eq!(
            k.inside(name, "journalctl -b --grep 'ordering cycle' --quiet; systemctl is-enabled ssh.socket"),
            "disabled"
        );
        k.wait("an address by DHCP", || k.inside(name, "ip -4 -o addr show dev eth0").contains("10.120."));
    }
    for (file, length) in
        [("machine-id", 32), ("ssh/ssh_host_ed25519_key.pub", 80), ("ssh/ssh_host_ecdsa_key", 300)]
    {
        let read = |name: &str| k.inside(name, &format!("cat /etc/{file}"));
        assert!(read("one").len() >= length, "{file}: {}", read("one"));
        assert_ne!(read("one"), read("two"), "{file}");
    }
    // The archive is one that can be carried elsewhere.
    let path = archives.join(&archive);
    k.ok(&["template", "import", path.to_str().unwrap(), "--name", "carried"]);
    if let Some(keep) = std::env::var_os("KISTE_TEST_KEEP_ARCHIVE") {
        fs::copy(path, keep).unwrap();
    }
    k.ok(&["template", "remove", "debian-12"]);
    assert_eq!(names(&archives), Vec::<String>::new());
    k.finish();
}

/// Nothing of a build is left.
fn assert_nothing_left(k: &Instance) {
    for folder in ["staging", "layers", "templates"] {
        assert_eq!(names(&k.dir().join("data").join(folder)), Vec::<String>::new(), "{folder}");
    }
    assert_eq!(k.ok(&["template", "list", "--json"]), "[]");
}

#[test]
fn a_build_that_fails_or_is_ended_leaves_nothing() {
    let Some(mut k) = Instance::start(21) else { return };
    let recipe = copy_recipe(&k).join("recipe.toml");
    let good = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, good.replace("suite =", "sweet =")).unwrap();
    assert!(k.refused(&["template", "build", "debian-12"]).contains("recipe.toml is not valid"));
    fs::write(&recipe, good.replace("\"cron\"", "\"no-such-package\"")).unwrap();
    let refused = k.refused(&["template", "build", "debian-12"]);
    assert!(refused.contains("Unable to locate package no-such-package"), "{refused}");
    assert_nothing_left(&k);

    fs::write(&recipe, good).unwrap();
    let begun = |k: &Instance| {
        let mut all = Vec::new();
        k.wait("packages come", || {
            all = builders(k);
            all.iter().any(|p| p.2 == "apt-get")
        });
        all
    };
    let are_gone = |all: &[Process]| {
        let now = processes();
        all.iter().all(|p| !now.iter().any(|n| (n.0, &n.2) == (p.0, &p.2)))
    };
    let id = k.ok(&["template", "build", "debian-12", "--no-wait"]);
    let all = begun(&k);
    assert!(k.refused(&["template", "build", "debian-12"]).contains("busy"));
    k.ok(&["task", "cancel", &id]);
    k.wait("the cancelled task ends", || task(&k, &id)["state"] == "cancelled");
    assert!(are_gone(&all), "{all:?}");
    assert_nothing_left(&k);

    k.ok(&["template", "build", "debian-12", "--no-wait"]);
    let all = begun(&k);
    k.end_serve("KILL");
    k.wait("the build ends with the engine", || are_gone(&all));
    k.serve();
    assert_nothing_left(&k);

    // A disk that is full when the archive is written.
    let staging = k.dir().join("data/staging");
    let place = staging.to_str().unwrap();
    assert_eq!(run("mount", &["-t", "tmpfs", "-o", "size=16m,mode=700", "none", place]).code, 0);
    let refused = k.refused(&["template", "build", "debian-12"]);
    assert_eq!(run("umount", &[place]).code, 0);
    assert!(refused.contains("the disk is full at step"), "{refused}");
    assert_nothing_left(&k);
    k.finish();
}

#[test]
fn a_mirror_that_is_down_is_named() {
    let Some(k) = Instance::start_with(45, "mirror = \"http://127.0.0.1:9/debian\"\n") else { return };
    copy_recipe(&k);
    let refused = k.refused(&["template", "build", "debian-12"]);
    assert!(refused.contains("127.0.0.1:9"), "{refused}");
    assert_nothing_left(&k);
    k.finish();
}
