//! The shim on the real kernel: needs root and a Debian tree in `KISTE_TEST_ROOTFS`.
//!
//! Each test has a bench of its own: cgroups, layers, a plan whose init is a shell script.

#[cfg(test)]
mod bench;

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
};

use bench::{Bench, bench, make_device, shell};
use model::file_template::MadeFile;
use protocol::{
    shim::{ExecPlan, ExitRecord, Injection, LaunchReport, NicPlan, ShimReply, ShimRequest, ShimTask},
    viewer::{Frame, TermSize},
};

/// Waits for ever without using any time.
const STAY: &str = "exec sleep infinity";

#[test]
fn a_container_sees_only_its_own() {
    let Some(bench) = bench("own", STAY) else { return };
    make_device(&bench.top("leak"));
    let info = bench.launch();
    let base = bench.plan.id_map.base().0.to_string();
    let map = bench.sh("cat /proc/self/uid_map").1;
    assert_eq!(map.split_ascii_whitespace().collect::<Vec<_>>(), ["0", &base, "65536"]);
    assert_eq!(bench.sh("hostname; cat /run/host/container-manager").1, "bench.example\nkiste");
    assert_eq!(bench.sh("touch /written && readlink /proc/1/exe").0, 0);
    assert!(bench.own("written").exists());
    for pid in ["1", "self"] {
        assert_eq!(bench.sh(&format!("cat /proc/{pid}/oom_score_adj")).1, "0", "{pid}");
        let limits = bench.sh(&format!("grep 'open files' /proc/{pid}/limits")).1;
        assert_eq!(limits.split_ascii_whitespace().nth(3), Some("777"), "{limits}");
        let status =
            bench.sh(&format!("grep -E 'Seccomp:|CapBnd|CapAmb|CapInh|NoNewPrivs' /proc/{pid}/status")).1;
        let value = |key: &str| {
            status.lines().find_map(|l| l.strip_prefix(key)).map(|v| v.trim().to_owned()).unwrap()
        };
        assert_eq!((value("Seccomp:"), value("NoNewPrivs:")), ("2".to_owned(), "0".to_owned()));
        assert_eq!(u64::from_str_radix(&value("CapBnd:"), 16).unwrap() & (1 << 16), 0);
        assert_eq!((value("CapAmb:"), value("CapInh:")), ("0".repeat(16), "0".repeat(16)));
    }
    // The host's view agrees.
    let host = fs::read_to_string(format!("/proc/{}/status", info.init_pid)).unwrap();
    assert!(host.contains(&format!("Uid:\t{base}")), "{host}");
}

#[test]
fn no_descriptor_of_the_host_is_left_open() {
    let Some(bench) = bench("fds", STAY) else { return };
    bench.launch();
    assert_eq!(bench.sh("ls -x /proc/1/fd").1.split_ascii_whitespace().collect::<Vec<_>>(), ["0", "1", "2"]);
    // ls holds a fourth itself.
    for pty in [None, Some(TermSize::default())] {
        let plan =
            ExecPlan { argv: vec!["ls".into(), "-x".into(), "/proc/self/fd".into()], pty, ..shell("") };
        let (_, fds) = bench.start(plan).finish();
        assert_eq!(fds.split_ascii_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    }
}

#[test]
fn a_home_behind_a_descriptor_leads_nowhere() {
    let Some(bench) = bench("home", STAY) else { return };
    let users: String = (3..64).map(|fd| format!("u{fd}:x:0:0::/proc/self/fd/{fd}:/bin/sh\n")).collect();
    fs::write(bench.top("etc/passwd"), users).unwrap();
    bench.launch();
    for fd in 3..64 {
        let plan = ExecPlan { user: Some(format!("u{fd}")), ..shell("readlink /proc/self/cwd") };
        assert_eq!(bench.start(plan).finish(), (0, "/".to_owned()), "descriptor {fd}");
    }
}

#[test]
fn devices_in_a_layer_stay_shut_even_after_a_remount() {
    let Some(bench) = bench("dev", STAY) else { return };
    make_device(&bench.top("leak"));
    bench.launch();
    let (_, text) = bench.sh("mount -o remount,dev / 2>&1; cat /leak 2>&1");
    assert!(text.contains("permission denied") && text.contains("/leak: Permission denied"), "{text}");
    assert_eq!(bench.sh("cat /dev/null").0, 0);
}

#[test]
fn commands_get_user_folder_environment_and_terminal() {
    let Some(bench) = bench("exec", STAY) else { return };
    bench.launch();
    assert_eq!(bench.sh("exit 7").0, 7);
    assert_eq!(bench.sh("kill -9 $$").0, 128 + 9);
    let run = |words: &[&str]| {
        let argv = words.iter().map(ToString::to_string).collect();
        bench.start(ExecPlan { argv, ..shell("") }).finish()
    };
    assert_eq!(run(&["no-such-command"]).0, 127);
    assert_eq!(run(&["/etc/passwd"]).0, 126);
    let plan = ExecPlan {
        env: vec!["COLOUR=green".into()],
        user: Some("www-data".into()),
        cwd: Some("/usr".into()),
        ..shell("id -u; id -G; pwd; echo $COLOUR $USER $HOME; echo more > /dev/stdout")
    };
    let wanted = "33\n33\n/usr\ngreen www-data /var/www\nmore";
    assert_eq!(bench.start(plan).finish(), (0, wanted.into()));
    let plan = ExecPlan { user: Some("www-data".into()), ..shell("echo error > /dev/stderr") };
    assert_eq!(bench.start(plan).finish(), (0, "error".into()));
    let plan = ExecPlan { user: Some("nobody-here".into()), ..shell("true") };
    assert_eq!(bench.start(plan).finish().0, 126);
    let plan = ExecPlan {
        pty: Some(TermSize { cols: 123, rows: 45 }),
        user: Some("www-data".into()),
        ..shell("tty; stty size; stat -c %U $(tty); echo > $(tty)")
    };
    let (code, text) = bench.start(plan).finish();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(code == 0 && lines[0].starts_with("/dev/pts/"), "{text}");
    assert_eq!(lines[1..3], ["45 123", "www-data"]);
}

#[test]
fn all_input_arrives_and_all_output_before_the_exit_code() {
    let Some(bench) = bench("bytes", STAY) else { return };
    bench.launch();
    let viewer = bench.start(shell("wc -c; head -c 300000 /dev/zero | tr '\\0' x"));
    let piece = [b'a'; 10_000];
    for _ in 0..100 {
        viewer.send(&Frame::Data(&piece));
    }
    viewer.send(&Frame::EndOfInput);
    let (code, text) = viewer.finish();
    assert_eq!((code, text.lines().next(), text.len()), (0, Some("1000000"), 300_008));
}

#[test]
fn a_frozen_group_for_commands_holds_nobody_up() {
    let freeze = "cd /sys/fs/cgroup && mkdir kiste-exec && echo 1 > kiste-exec/cgroup.freeze; echo frozen; ";
    let Some(bench) = bench("frozen", &format!("{freeze}{STAY}")) else { return };
    bench.launch();
    bench.console().read_until("frozen");
    let stuck = bench.start(shell("true"));
    assert_eq!(bench.info().exit, None);
    bench.ask(&ShimRequest::SignalInit(9));
    assert_eq!(stuck.finish().0, 126);
    assert_eq!(bench.collect(), ExitRecord::Killed(9));
}

#[test]
fn the_console_keeps_what_was_said_and_outlives_a_hang_up() {
    // A session leader that ends hangs its terminal up; init gives it away first, as systemd does.
    let script = "echo first words; exec perl -e 'ioctl(STDIN, 0x5422, 0); \
                  system(qw(setsid -c -w sh -c), q(echo session)); \
                  open(C, q(+</dev/console)); print C qq(second words\n); \
                  close C; sleep 1000'";
    let Some(bench) = bench("console", script) else { return };
    bench.launch();
    let first = bench.console();
    let text = first.read_until("second words");
    assert!(text.contains("first words") && text.contains("session"), "{text}");
    let late = bench.console();
    assert!(late.read_until("second words").contains("first words"));
    first.send(&Frame::Writer(true));
    first.send(&Frame::Data(b"typed\n"));
    assert!(late.read_until("typed").contains("typed"));
}

#[test]
fn reboot_and_poweroff_inside_are_what_they_say() {
    let script = "mkdir -p /gate.d; echo boot; mkfifo -m 600 /run/gate; read what < /run/gate; $what -ff";
    let Some(bench) = bench("boot", script) else { return };
    let first = bench.launch();
    let (events, console) = (bench.subscribe(), bench.console());
    console.read_until("boot");
    // The container has turned groups of its own on, which must not be in the way.
    bench.sh("mkdir -p /sys/fs/cgroup/a/b; echo reboot > /run/gate");
    let second = Bench::event(&events);
    assert_eq!((second.reboots, &second.exit), (1, &None));
    assert_ne!(second.init_pid, first.init_pid);
    console.read_until("boot");
    assert_eq!(bench.sh("ls /sys/fs/cgroup/a").0, 2);
    assert_eq!(bench.console().read_until("boot").matches("boot").count().min(1), 1);
    bench.sh("echo poweroff > /run/gate");
    assert_eq!(bench.collect(), ExitRecord::PoweredOff);
}

#[test]
fn an_init_that_only_reboots_is_stopped() {
    let Some(bench) = bench("loop", "exec reboot -ff") else { return };
    bench.launch();
    let ended = bench.collect();
    assert!(matches!(&ended, ExitRecord::RelaunchFailed(f) if f.step.contains("reboots")), "{ended:?}");
}

#[test]
fn a_new_shim_takes_over_when_the_old_one_died() {
    // Init moves itself down, as systemd does; a namespace of its own must not be mistaken for it.
    let script = "mkdir /sys/fs/cgroup/init && echo 1 > /sys/fs/cgroup/init/cgroup.procs; \
                  unshare -p -f sleep 1000 & exec sleep infinity";
    let Some(bench) = bench("adopt", script) else { return };
    let first = bench.launch();
    assert_eq!(bench.sh("touch /kept").0, 0);
    bench.kill_shim(&first);
    let second = match bench.run(&ShimTask::Adopt(bench.plan.clone())) {
        LaunchReport::Launched(info) => info,
        other => panic!("{other:?}"),
    };
    let is_same = (second.init_pid, second.init_start_ticks) == (first.init_pid, first.init_start_ticks);
    assert!(is_same && second.is_adopted, "{second:?}");
    bench.sh("echo again > /dev/console");
    assert!(bench.console().read_until("again").contains("is lost"));
    let plan = ExecPlan { pty: Some(TermSize::default()), ..shell("ls /kept; exit 5") };
    assert_eq!(bench.start(plan).finish(), (5, "/kept".to_owned()));
    bench.ask(&ShimRequest::SignalInit(9));
    assert_eq!(bench.collect(), ExitRecord::Exited(-1));
    let nobody = bench.run(&ShimTask::Adopt(bench.plan.clone()));
    assert!(matches!(nobody, LaunchReport::Failed(f) if f.step.contains("find a running init")));
}

#[test]
fn an_init_that_cannot_run_is_named() {
    let Some(mut bench) = bench("bad", STAY) else { return };
    fs::write(bench.top("plain"), "#!/bin/sh\n").unwrap();
    for (path, errno) in [("/no/init", 2), ("/plain", 13)] {
        bench.plan.init = vec![path.into()];
        let failure = bench.launch_fails();
        assert_eq!(
            (failure.step.as_str(), failure.errno, failure.detail.as_str()),
            ("exec init", errno, path)
        );
    }
    bench.plan.layers.push(bench.dir.path().join("missing"));
    let failure = bench.launch_fails();
    assert_eq!((failure.step.as_str(), failure.errno), ("open a layer", 2));
    bench.plan.layers.pop();
    symlink("/etc", bench.top("proc")).unwrap();
    assert!(bench.launch_fails().step.contains("/proc"));
}

#[test]
fn an_init_that_ends_at_once_leaves_its_exit_code() {
    let Some(bench) = bench("short", "exit 3") else { return };
    bench.launch();
    assert_eq!(bench.collect(), ExitRecord::Exited(3));
}

#[test]
fn requests_after_the_end_are_refused_and_viewers_can_be_revoked() {
    let Some(bench) = bench("end", STAY) else { return };
    bench.launch();
    let running = bench.start(shell(STAY));
    assert_eq!(bench.ask(&ShimRequest::RevokeViewers).0, ShimReply::Done);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.finish())).is_err());
    bench.kill_all();
    let events = bench.subscribe();
    if bench.info().exit.is_none() {
        Bench::event(&events);
    }
    assert!(matches!(bench.ask(&ShimRequest::Exec(shell("true"))).0, ShimReply::Failed(_)));
}

#[test]
fn settings_go_into_the_tree_and_nowhere_else() {
    let Some(bench) = bench("inject", STAY) else { return };
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(bench.top("root")).unwrap();
    symlink(outside.path(), bench.top("root/.ssh")).unwrap();
    let task = |injections| ShimTask::Inject(bench.plan.clone(), injections);
    let report = bench.run(&task(vec![Injection::SshKeys("ssh-ed25519 AAAA a@b".into())]));
    assert!(matches!(report, LaunchReport::Failed(_)), "{report:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    fs::remove_file(bench.top("root/.ssh")).unwrap();
    let file = |path: &str, is_create_only| MadeFile {
        path: path.into(),
        text: "made".into(),
        is_create_only,
        uid: 7,
        gid: 8,
        mode: 0o640,
    };
    // A link on the way ends inside, and one in the file's place is replaced.
    symlink("/srv", bench.top("linked")).unwrap();
    symlink(outside.path().join("never"), bench.top("root/link")).unwrap();
    let files = vec![
        file("/etc/hostname", false),
        file("/etc/shadow", true),
        file("/linked/a/b", false),
        file("/root/link", false),
    ];
    let variables = [("APP_PASS".to_owned(), "it's $(x)".to_owned()), ("B".to_owned(), String::new())];
    let all = vec![
        Injection::Files(files),
        Injection::Inithooks(variables.into()),
        Injection::Hostname("web.example".parse().unwrap()),
        Injection::RootPassword("$6$salt$hash".into()),
        Injection::SshKeys("ssh-ed25519 AAAA a@b".into()),
        Injection::Network(model::nic::LanIp::Dhcp),
    ];
    assert_eq!(bench.run(&task(all)), LaunchReport::Injected);
    assert_eq!(fs::read_to_string(bench.own("etc/hostname")).unwrap(), "web.example\n");
    assert!(fs::read_to_string(bench.own("etc/hosts")).unwrap().contains("web.example web"));
    assert!(fs::read_to_string(bench.own("etc/shadow")).unwrap().contains("root:$6$salt$hash:"));
    let about = |path: &str| {
        let about = fs::symlink_metadata(bench.own(path)).unwrap();
        (about.uid(), about.gid(), about.mode() & 0o7777)
    };
    assert_eq!((about("srv/a/b"), about("root/link")), ((7, 8, 0o640), (7, 8, 0o640)));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(about("etc/inithooks.conf"), (0, 0, 0o600));
    let conf = fs::read_to_string(bench.own("etc/inithooks.conf")).unwrap();
    assert_eq!(conf, "export APP_PASS='it'\\''s $(x)'\nexport B=''\n");
    let bad = [("a b".to_owned(), String::new())];
    assert!(matches!(bench.run(&task(vec![Injection::Inithooks(bad.into())])), LaunchReport::Failed(_)));
    let keys = fs::metadata(bench.own("root/.ssh/authorized_keys")).unwrap();
    assert_eq!((keys.uid(), keys.mode() & 0o7777), (0, 0o600));
}

#[test]
fn the_interface_is_born_inside_and_a_left_over_gives_way() {
    let Some(mut bench) = bench("nic", STAY) else { return };
    // Only this test's thread and what it starts: nothing reaches the host's network.
    linux::namespaces::unshare_network().unwrap();
    linux::rtnetlink::ensure_bridge("ktbr", [2, 0, 0, 0, 0, 1]).unwrap();
    let bridge = linux::rtnetlink::link_index("ktbr").unwrap();
    let end = |name: &str, last| linux::rtnetlink::VethEnd { name: name.into(), mac: [2, 0, 0, 0, 1, last] };
    let message = linux::rtnetlink::veth_message(&end("ktv0", 2), &end("eth0", 3), bridge, 1400);
    bench.plan.nics = vec![NicPlan {
        host_interface: "ktv0".into(),
        message: message.bytes,
        netns_pid_offset: message.netns_pid_offset,
    }];
    linux::rtnetlink::ensure_bridge("ktv0", [2, 0, 0, 0, 0, 9]).unwrap();
    bench.launch();
    let net = "/sys/class/net";
    let seen = bench.sh(&format!("ls {net}; cat {net}/eth0/address {net}/eth0/mtu; cat {net}/lo/flags")).1;
    assert_eq!(
        seen.split_ascii_whitespace().collect::<Vec<_>>(),
        ["eth0", "lo", "02:00:00:00:01:03", "1400", "0x9"]
    );
}
