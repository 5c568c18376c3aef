//! Templates from containers: what goes on to the next one, and what does not.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Stdio;

use kiste_tests_system::{Instance, names};

/// What an admin does in a machine that is to become a template, with things an overlay does oddly.
const WORK: &str = "set -e; \
    echo keep > /srv/keep; chown 33:33 /srv/keep; chmod 640 /srv/keep; touch -d '2020-01-02 03:04:05' /srv/keep; \
    ln /srv/keep /srv/keep-too; ln -s keep /srv/link; mkfifo /srv/pipe; \
    rm /etc/issue; rm -r /usr/share/doc/bash; \
    mv /usr/share/doc/dash /usr/share/doc/moved; \
    rm -r /usr/share/doc/dpkg; mkdir /usr/share/doc/dpkg; echo new > /usr/share/doc/dpkg/only; \
    chmod 700 /usr/bin/wall; \
    mkdir -p /root/.ssh /home/anna/.ssh; echo key > /home/anna/.ssh/id_ed25519; echo key > /root/.ssh/authorized_keys; \
    echo secret > /root/.bash_history; ln /etc/ssh/ssh_host_ed25519_key /srv/stolen; \
    printf 'odd' > \"/srv/na me\nwith a line\"; \
    echo x > /tmp/x; echo log > /var/log/own.log; echo 'root:a-long-word' | chpasswd; sync";

#[test]
fn work_goes_on_and_identity_does_not() {
    let Some(k) = Instance::start(81) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "first", "--start"]);
    assert_eq!(k.boot("first"), "running");
    let _ = k.inside("first", "until [ -s /etc/ssh/ssh_host_ed25519_key ]; do sleep 0.1; done");
    let _ = k.inside("first", WORK);
    let identity = |name: &str| {
        let keys = "until [ -s /etc/ssh/ssh_host_ed25519_key.pub ]; do sleep 0.1; done; cat /etc/ssh/ssh_host_ed25519_key.pub";
        (k.inside(name, "cat /etc/machine-id"), k.inside(name, keys))
    };
    let first = identity("first");
    let about: serde_json::Value = serde_json::from_str(&k.ok(&["template", "list", "--json"])).unwrap();
    let shown = k.ok(&["config", "first"]);
    assert!(shown.contains(&format!("debian {}", about[0]["version"].as_str().unwrap())), "{shown}");

    let refused = k.refused(&["template", "create", "first", "--name", "golden"]);
    assert!(refused.contains("first is running") && refused.contains("stop or suspend"), "{refused}");
    k.ok(&["suspend", "first"]);
    let refused = k.refused(&["template", "create", "first", "--name", "debian"]);
    assert!(refused.contains("debian is taken"), "{refused}");
    assert_eq!(k.kiste(&["template", "create", "first", "--name", "../x"]).code, 2);
    k.refused(&["template", "create", "nobody", "--name", "golden"]);
    k.ok(&["template", "create", "first", "--name", "golden"]);
    // What was made frozen is made again from the same state, stopped: the newer takes its place.
    k.ok(&["resume", "first"]);
    k.ok(&["stop", "first"]);
    let log = k.kiste(&["template", "create", "first", "--name", "golden"]).err;
    for words in [
        "ssh host keys: etc/ssh/ssh_host_",
        "links to these: srv/stolen",
        "machine id: etc/machine-id",
        "ssh keys of people: home/anna/.ssh/id_ed25519, root/.ssh/authorized_keys",
        "what people typed: root/.bash_history",
        "password of root: etc/shadow",
    ] {
        assert!(log.contains(words), "{words} in {log}");
    }

    k.ok(&["create", "golden", "--name", "second", "--start"]);
    k.ok(&["destroy", "first"]);
    assert_eq!(k.boot("second"), "running");
    let seen = k.inside(
        "second",
        "cd /srv; stat -c '%u:%g %a %Y %h' keep; readlink link; stat -c %F pipe; ls | wc -l",
    );
    assert_eq!(seen.lines().collect::<Vec<_>>(), ["33:33 640 1577934245 2", "keep", "fifo", "6"], "{seen}");
    let gone = "ls -d /etc/issue /usr/share/doc/bash /usr/share/doc/dash /srv/stolen /root/.bash_history \
        /root/.ssh/authorized_keys /home/anna/.ssh/id_ed25519 2>/dev/null || true";
    assert_eq!(k.inside("second", gone).trim(), "");
    let moved = "[ -n \"$(ls /usr/share/doc/moved)\" ]; ls /usr/share/doc/dpkg; stat -c %a /usr/bin/wall; \
        getent shadow root | cut -d: -f2; cat /var/log/own.log";
    assert_eq!(k.inside("second", moved).lines().collect::<Vec<_>>(), ["only", "700", "*"]);
    let second = identity("second");
    assert!(
        first.0 != second.0 && first.1 != second.1 && second.0.trim().len() == 32,
        "{first:?} {second:?}"
    );
    assert_eq!(k.inside("second", "systemctl is-system-running --wait || true").trim(), "running");

    // The layers below are shared, and stay while one stands on them.
    let layers = || names(&k.dir().join("data/layers")).len();
    assert_eq!(layers(), 2);
    k.ok(&["template", "remove", "debian"]);
    k.ok(&["template", "remove", "golden"]);
    assert_eq!(layers(), 2);
    k.ok(&["stop", "second"]);
    k.ok(&["destroy", "second"]);
    assert!(names(&k.dir().join("data/staging")).is_empty());
    k.finish();
}

#[test]
fn what_is_cut_off_leaves_nothing() {
    let Some(mut k) = Instance::start(83) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "first", "--start"]);
    assert_eq!(k.boot("first"), "running");
    let _ = k.inside(
        "first",
        "dd if=/dev/urandom of=/srv/big bs=1M count=300 status=none; mknod /srv/socket p; sync",
    );
    k.ok(&["stop", "first"]);
    let staging = k.dir().join("data/staging");
    let begin = |k: &Instance| {
        let words = ["template", "create", "first", "--name", "golden"];
        let verb = k.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        k.wait("the worker is at work", || {
            names(&staging).iter().any(|n| staging.join(n).join("whole.tar").exists())
        });
        verb
    };
    let is_untouched = |k: &Instance| {
        k.wait("nothing is left of it", || names(&staging).is_empty());
        assert_eq!(names(&k.dir().join("data/layers")).len(), 1);
        assert!(!k.ok(&["template", "list"]).contains("golden"));
    };

    k.ok(&["start", "first"]);
    let _ = k.inside("first", "truncate -s 1T /srv/holes");
    k.ok(&["suspend", "first"]);
    let refused = k.refused(&["template", "create", "first", "--name", "golden"]);
    assert!(refused.contains("a template may have"), "{refused}");
    is_untouched(&k);
    k.ok(&["resume", "first"]);
    let _ = k.inside("first", "rm /srv/holes; cp -a /bin/ping /srv/ping; sync");
    k.ok(&["stop", "first"]);

    let mut verb = begin(&k);
    let refused = k.refused(&["start", "first"]);
    assert!(refused.contains("busy with task"), "{refused}");
    let tasks: serde_json::Value = serde_json::from_str(&k.ok(&["task", "list", "--json"])).unwrap();
    let running = tasks.as_array().unwrap().iter().find(|t| t["state"] == "running").unwrap();
    assert_eq!(running["kind"], "template-create");
    k.ok(&["task", "cancel", running["id"].as_str().unwrap()]);
    assert_eq!(verb.wait().unwrap().code(), Some(1));
    is_untouched(&k);

    let mut verb = begin(&k);
    k.end_serve("KILL");
    let _ = verb.wait();
    k.serve();
    is_untouched(&k);

    k.ok(&["template", "create", "first", "--name", "golden"]);
    k.ok(&["destroy", "first"]);
    k.ok(&["template", "remove", "golden"]);
    assert_eq!(names(&k.dir().join("data/layers")).len(), 1);
    k.finish();
}
