//! What was cut off goes on: an engine that was killed, or a host that was rebooted, in the middle. Needs root.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use kiste_tests_system::{Instance, names, run};

const INIT_START: &str = "cut -d' ' -f22 /proc/1/stat";

fn start_web(k: &Instance) {
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--start"]);
    assert_eq!(k.boot("web"), "running");
}

/// Waits until init inside has been told to end.
fn wait_until_it_ends(k: &Instance) {
    k.wait("init ends", || {
        !matches!(k.inside("web", "systemctl is-system-running").as_str(), "running" | "starting")
    });
}

/// Waits until no task is at work, and none was left to be done.
fn wait_for_tasks(k: &Instance) {
    k.wait("no task is at work", || !k.ok(&["task", "list", "--json"]).contains("\"running\""));
}

#[test]
fn a_reboot_that_was_cut_off_goes_on() {
    let Some(mut k) = Instance::start(50) else { return };
    start_web(&k);
    // Killed at once: perhaps init was not even asked.
    let first = k.inside("web", INIT_START);
    k.ok(&["reboot", "web", "--no-wait"]);
    k.end_serve("KILL");
    k.serve();
    k.wait("it is rebooted", || {
        let now = k.inside("web", INIT_START);
        !now.is_empty() && now != first
    });
    wait_for_tasks(&k);
    assert_eq!(k.boot("web"), "running");
    // Killed between the end and the start.
    let second = k.inside("web", INIT_START);
    k.ok(&["reboot", "web", "--no-wait"]);
    wait_until_it_ends(&k);
    k.end_serve("KILL");
    let log = k.log();
    k.wait("it has ended", || k.processes(100).is_empty() || k.inside("web", INIT_START) != second);
    k.serve();
    assert!(k.log()[log.len()..].contains("was cut off and goes on"), "{}", k.log());
    k.wait_status("web", "running");
    wait_for_tasks(&k);
    assert_eq!(k.boot("web"), "running");
    assert_ne!(k.inside("web", INIT_START), second);
    // Nothing is left that would be done once more.
    let third = k.inside("web", INIT_START);
    k.end_serve("KILL");
    k.serve();
    assert_eq!(k.status("web")["status"], "running");
    assert_eq!(k.inside("web", INIT_START), third);
    k.finish();
}

#[test]
fn a_shutdown_that_was_cut_off_goes_on() {
    let Some(mut k) = Instance::start(51) else { return };
    start_web(&k);
    // Init waits for this service until the time is up, so nothing but the engine ends the container.
    k.ok(&[
        "exec",
        "web",
        "--",
        "systemd-run",
        "--quiet",
        "--property=TimeoutStopSec=infinity",
        "--property=ExecStop=/bin/sleep infinity",
        "/bin/sleep",
        "infinity",
    ]);
    k.ok(&["shutdown", "web", "--timeout", "3", "--no-wait"]);
    k.end_serve("KILL");
    k.serve();
    k.wait_status("web", "stopped");
    wait_for_tasks(&k);
    assert_eq!(k.processes(100), Vec::<String>::new());
    // It stays so.
    k.end_serve("KILL");
    k.serve();
    assert_eq!(k.status("web")["status"], "stopped");
    k.finish();
}

#[test]
fn a_start_beneath_an_ending_engine_comes_to_its_network() {
    let Some(mut k) = Instance::start(52) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256"]);
    k.ok(&["start", "web", "--no-wait"]);
    k.end_serve("TERM");
    k.serve();
    k.wait_status("web", "running");
    wait_for_tasks(&k);
    assert_eq!(k.boot("web"), "running");
    k.wait("an address by DHCP", || k.inside("web", "hostname -I").contains("10.152."));
    k.finish();
}

#[test]
fn a_reboot_of_the_host_is_no_failure_of_a_container() {
    let Some(mut k) = Instance::start(53) else { return };
    start_web(&k);
    k.ok(&["create", "debian", "--name", "boots", "--memory", "256", "--onboot", "1", "--start"]);
    let fall = |k: &mut Instance| {
        k.end_serve("KILL");
        k.kill_shims();
        for vmid in [100, 101] {
            for pid in k.processes(vmid) {
                run("kill", &["-s", "KILL", &pid]);
            }
            k.wait("its processes are gone", || k.processes(vmid).is_empty());
        }
    };
    fall(&mut k);
    k.serve_in_another_boot();
    assert_eq!(k.status("web")["status"], "stopped");
    // And in this one, which now is another one than the last.
    k.end_serve("KILL");
    k.serve();
    k.wait_status("boots", "running");
    assert_eq!(k.status("web")["status"], "stopped");
    // The same without a reboot is a failure.
    k.ok(&["start", "web"]);
    fall(&mut k);
    k.serve();
    for name in ["web", "boots"] {
        assert_eq!(k.status(name)["status"], "failed");
    }
    k.finish();
}

#[test]
fn an_import_that_was_cut_off_leaves_no_layer() {
    let Some(mut k) = Instance::start(54) else { return };
    let archive = std::env::var("KISTE_TEST_ARCHIVE").unwrap();
    let import = ["template", "import", &archive, "--name", "debian", "--no-wait"];
    let layers = k.dir().join("data/layers");
    let staging = k.dir().join("data/staging");
    k.ok(&import);
    k.wait("it unpacks", || !names(&staging).is_empty());
    k.end_serve("KILL");
    // As if it had been killed a moment later, with the layer in its place and no template on it.
    let layer = layers.join("5".repeat(64));
    fs::create_dir_all(layer.join("fs/etc")).unwrap();
    k.serve();
    for folder in [&staging, &layers] {
        assert_eq!(names(folder), Vec::<String>::new());
    }
    // And at the moment when the layer comes to its place.
    k.ok(&import);
    k.wait("the layer is there", || !names(&layers).is_empty());
    k.end_serve("KILL");
    k.serve();
    let templates = k.ok(&["template", "list", "--json"]);
    assert_eq!(names(&layers).is_empty(), templates == "[]", "{templates}");
    k.finish();
}
