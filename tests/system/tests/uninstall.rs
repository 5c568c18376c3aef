//! `scripts/uninstall` takes back what an instance changed. Needs root.

use kiste_tests_system::Instance;
use std::{fs, process::Command};

const SETTING: &str = "/proc/sys/fs/inotify/max_queued_events";

#[test]
fn uninstall_leaves_nothing_behind() {
    let Some(mut k) = Instance::start(14) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--start"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/uninstall");
    let uninstall = |k: &Instance, words: &[&str]| {
        let mut command = Command::new(script);
        command.args(words).env("KISTE_CONFIG", k.dir().join("kiste.toml"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let refused = uninstall(&k, &["--purge"]);
    assert!(refused.0 == Some(1) && refused.1.contains("kiste serve is running: end it"), "{refused:?}");
    assert_eq!(k.status("web")["status"], "running");
    assert_eq!(uninstall(&k, &["--purg"]).0, Some(2));
    // One that is suspended has processes too.
    k.ok(&["create", "debian", "--name", "asleep", "--memory", "256", "--start"]);
    assert_eq!(k.boot("asleep"), "running");
    k.ok(&["suspend", "asleep"]);

    k.end_serve("TERM");
    // As if this instance had been the one that raised it.
    let now = fs::read_to_string(SETTING).unwrap();
    let record = format!("fs/inotify/max_queued_events {} {now}", now.trim().parse::<u32>().unwrap() - 1);
    fs::write(k.dir().join("run/sysctls"), record).unwrap();
    assert_eq!(uninstall(&k, &[]).0, Some(0));
    assert_eq!(k.traces(), Vec::<String>::new());
    assert!(k.dir().join("data/containers/100").exists());
    let before = fs::read_to_string(SETTING).unwrap();
    fs::write(SETTING, &now).unwrap();
    assert_eq!(before.trim().parse::<u32>().unwrap() + 1, now.trim().parse::<u32>().unwrap());

    // A configuration that cannot be read names nothing to delete.
    let config = k.dir().join("kiste.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("data_dir = ", "data_dri = ")).unwrap();
    let refused = uninstall(&k, &["--purge"]);
    assert!(refused.0 == Some(1) && refused.1.contains("data_dri"), "{refused:?}");
    // One that is written in another way is read as it is meant.
    let data = k.dir().join("data").display().to_string();
    let other =
        text.replace(&format!("data_dir = \"{data}\""), &format!("  data_dir='{data}' # not \"/other\""));
    assert_ne!(other, text);
    fs::write(&config, other).unwrap();
    k.serve();
    k.ok(&["start", "asleep"]);
    k.end_serve("TERM");
    assert_eq!(uninstall(&k, &["--purge"]).0, Some(0));
    assert_eq!(k.traces(), Vec::<String>::new());
    assert!(!k.dir().join("data").exists() && !k.dir().join("run").exists());
}
