//! What can be asked of a container at the command line, as it arrives inside and in the kernel.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use kiste_tests_system::{Instance, run};

#[test]
fn keys_users_folders_and_limits_arrive_where_they_belong() {
    let Some(k) = Instance::start(66) else { return };
    k.import_debian();
    let key = k.dir().join("key");
    let made = run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{made:?}");
    let public = format!("{}.pub", key.display());
    let words =
        ["create", "debian", "--name", "web", "--memory", "256", "--ssh-public-keys", &public, "--start"];
    k.ok(&words);
    assert_eq!(k.boot("web"), "running");
    k.wait("it has an address", || k.inside("web", "hostname -I").contains("10.166."));
    let address = k.status("web")["addresses"][0].as_str().unwrap().to_owned();
    let ssh = |more: &[&str]| {
        let options = [
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oBatchMode=yes",
            "-oConnectTimeout=10",
        ];
        let to = format!("root@{address}");
        run("ssh", &[&options[..], more, &[&to, "hostname"]].concat())
    };
    let done = ssh(&["-i", key.to_str().unwrap(), "-oIdentitiesOnly=yes"]);
    assert_eq!(done.out, "web", "{done:?}");
    assert_ne!(
        ssh(&["-oIdentitiesOnly=yes", "-i", "/nonexistent"]).code,
        0,
        "without the key nobody comes in"
    );

    let exec = |options: &[&str], line: &str| {
        k.kiste(&[&["exec", "web"], options, &["--", "sh", "-c", line]].concat())
    };
    let done = exec(
        &["--user", "nobody", "--cwd", "/usr", "--env", "COLOR=a b"],
        "id -un; pwd; echo $COLOR; exit 7",
    );
    assert_eq!((done.out.as_str(), done.code), ("nobody\n/usr\na b", 7));
    // As a shell has it: 126 when it cannot be begun, 127 when there is no such command.
    for (options, command, code, why) in [
        (&["--user", "nosuch"][..], "true", 126, "there is no user nosuch"),
        (&["--cwd", "/no/such"], "true", 126, "/no/such"),
        (&[], "no-such-command", 127, "no-such-command"),
    ] {
        let done = k.kiste(&[&["exec", "web"], options, &["--", command]].concat());
        assert!(done.code == code && done.err.contains(why), "{done:?}");
    }

    // Whoever has heard enough ends a verb without a word.
    let bin = std::env::var("KISTE_BIN").unwrap();
    let config = k.dir().join("kiste.toml").display().to_string();
    let line = format!(
        "{{ {bin} --config {config} --help; {bin} --config {config} audit --limit 1000; }} | head -n 1"
    );
    let done = run("sh", &["-c", &line]);
    assert!(!done.out.is_empty() && done.err.is_empty(), "{done:?}");

    // In the kernel: one of both layouts.
    let group = |files: [&str; 2]| {
        let trees = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|t| t.path());
        let places = trees.map(|t| t.join(k.name())).chain([format!("/sys/fs/cgroup/{}", k.name()).into()]);
        let read = |place: std::path::PathBuf| {
            files.iter().find_map(|f| {
                let of = |below: &str| fs::read_to_string(place.join(below).join(f)).ok();
                of("100").or_else(|| of("100/payload"))
            })
        };
        places.filter_map(read).next().unwrap_or_default().trim().to_owned()
    };
    k.ok(&["set", "web", "--cpulimit", "0.5", "--cpuunits", "250"]);
    let quota = group(["cpu.max", "cpu.cfs_quota_us"]);
    assert!(["50000 100000", "50000"].contains(&quota.as_str()), "{quota}");
    let weight = group(["cpu.weight", "cpu.shares"]);
    assert!(["250", "2560"].contains(&weight.as_str()), "{weight}");
    k.ok(&["set", "web", "--cpulimit", "0"]);
    let quota = group(["cpu.max", "cpu.cfs_quota_us"]);
    assert!(["max 100000", "-1"].contains(&quota.as_str()), "{quota}");

    // An init that does not heed the signal is ended when the time is up, and that is said.
    assert_eq!(k.inside("web", "systemctl mask poweroff.target halt.target 2>/dev/null; echo done"), "done");
    k.ok(&["suspend", "web"]);
    k.ok(&["resume", "web"]);
    let shutdown = k.kiste(&["shutdown", "web", "--timeout", "2"]);
    assert!(shutdown.code == 0 && format!("{shutdown:?}").contains("did not end within 2 s"), "{shutdown:?}");
    assert_eq!(k.status("web")["status"], "stopped");
    k.finish();
}
