//! The whole path of an admin at the command line, on the real kernel.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use kiste_tests_system::{Instance, outside::Outside, run};

#[test]
fn a_debian_container_lives_from_create_to_destroy() {
    let Some(k) = Instance::start(1) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--start"]);
    k.ok(&["create", "205", "debian", "--name", "db", "--memory", "256", "--start"]);
    for name in ["web", "db"] {
        assert_eq!(k.boot(name), "running");
        assert_eq!(k.inside(name, "systemctl --failed --no-legend --plain"), "");
    }
    // One whole block of 65,536 ids each, from the instance's range and of no other container.
    let own = k.id_base();
    let mut blocks = Vec::new();
    for name in ["web", "db"] {
        for file in ["uid_map", "gid_map"] {
            let map = k.inside(name, &format!("cat /proc/self/{file}"));
            let numbers: Vec<u32> = map.split_whitespace().map(|n| n.parse().unwrap()).collect();
            let [0, base, 65_536] = numbers[..] else { panic!("{name} {file}: {map}") };
            assert!((own + 65_536..own + 1_310_720).contains(&base) && (base - own) % 65_536 == 0, "{map}");
            blocks.push(base);
        }
    }
    assert!(blocks[0] == blocks[1] && blocks[2] == blocks[3] && blocks[0] != blocks[2], "{blocks:?}");
    assert_ne!(k.inside("web", "cat /etc/machine-id"), k.inside("db", "cat /etc/machine-id"));
    assert_eq!(k.inside("web", "hostname"), "web");

    k.wait("names resolve", || k.inside("web", "getent hosts db").contains("10.101."));
    assert!(k.inside("web", "ping -c1 -W5 db").contains("1 received"));
    // The host answers ping and DNS, nothing else.
    let gateway = "$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p')";
    assert!(k.inside("web", &format!("ping -c1 -W5 {gateway}")).contains("1 received"));
    assert_eq!(
        k.inside("web", &format!("timeout 2 bash -c 'echo > /dev/tcp/'{gateway}'/8006' 2>&1; echo $?")),
        "124"
    );
    k.finish();
}

#[test]
fn the_root_password_works_at_the_login_and_is_nowhere_else() {
    use std::io::Write;
    let Some(k) = Instance::start(11) else { return };
    k.import_debian();
    let mut create = k.command(&["create", "debian", "--name", "web", "--password-stdin", "--start"]);
    let mut create = create.stdin(std::process::Stdio::piped()).spawn().unwrap();
    create.stdin.take().unwrap().write_all(b"a horse, a battery\n").unwrap();
    assert!(create.wait().unwrap().success());
    assert_eq!(k.boot("web"), "running");
    let check = "perl -e '($h) = (getpwnam root)[1]; print crypt(q(a horse, a battery), $h) eq $h ? 1 : 0'";
    assert_eq!(k.inside("web", check), "1");
    let files = run("grep", &["-rl", "a horse, a battery", &k.dir().display().to_string()]);
    assert_eq!(files.out, "", "the password lies on disk");
    k.finish();
}

#[test]
fn lies_about_mac_and_address_are_dropped() {
    let Some(k) = Instance::start(2) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "liar", "--memory", "256", "--start"]);
    k.ok(&["create", "debian", "--name", "peer", "--memory", "256", "--start"]);
    for name in ["liar", "peer"] {
        assert_eq!(k.boot(name), "running");
    }
    k.wait("names resolve", || k.inside("liar", "getent hosts peer").contains("10.102."));
    let peer = k.inside("liar", "getent hosts peer | cut -d' ' -f1");
    let ping = format!("ping -c1 -W2 {peer}");
    assert!(k.inside("liar", &ping).contains("1 received"));
    // Another address of the same network: neither IP nor ARP passes.
    let other = format!("{}.77", peer.rsplit_once('.').unwrap().0);
    assert!(
        !k.inside("liar", &format!("ip addr add {other}/24 dev eth0; ping -c1 -W2 -I {other} {peer}"))
            .contains("1 received")
    );
    let _ = k.inside("liar", &format!("ip addr del {other}/24 dev eth0"));
    // Frames as nothing but a liar makes them: the peer's card hears the true ones only.
    let listener = listen(&k, "peer");
    for (mark, kind, mac, address) in [
        ("mark-arp", "2054", "own", "own"),
        ("mark-arpaddress", "2054", "own", &*other),
        ("mark-arpmac", "2054", "020000000099", "own"),
        ("mark-frame", "2048", "020000000099", "own"),
        ("mark-address", "2048", "own", &other),
        ("mark-stop", "2048", "own", "own"),
    ] {
        let words = ["exec", "liar", "--", "perl", "-e", FRAMES, "send", mark, kind, "9000", mac, address];
        k.ok(&words);
    }
    assert_eq!(heard(listener), "arp,stop");
    k.finish();
}

/// Sends a raw frame, or counts those with a mark that arrive until `stop` comes; perl is in every Debian.
const FRAMES: &str = r#"
    my ($verb, $mark, $type, $port, $from, $claimed) = @ARGV;
    socket(my $s, 17, 3, unpack("S", pack("n", 3))) or die $!;
    my ($index) = split /\n/, `cat /sys/class/net/eth0/ifindex`;
    my ($mac) = split /\n/, `cat /sys/class/net/eth0/address`;
    if ($verb eq "send") {
        my $udp = pack("nnnn", $port, $port + 1, 8 + length $mark, 0) . $mark;
        my ($own) = split / /, `hostname -I`;
        $own = $claimed if $claimed && $claimed ne "own";
        $mac = $from if $from && $from ne "own";
        $mac =~ s/://g;
        my $head = pack("CCnnnCCna4a4", 69, 0, 20 + length $udp, 0, 0, 64, 17, 0,
            pack("C4", split /\./, $own), pack("C4", 255, 255, 255, 255));
        my $sum = 0; $sum += $_ for unpack("n*", $head); $sum = ($sum & 65535) + ($sum >> 16) for 1..2;
        substr($head, 10, 2) = pack("n", ~$sum & 65535);
        my $who = pack("C4", split /\./, $own);
        my $arp = pack("nnCCnH12a4H12a4", 1, 2048, 6, 4, 2, $mac, $who, "ffffffffffff", $who) . $mark;
        my $body = $type == 2048 ? $head . $udp : $type == 2054 ? $arp : "\x60" . "\0" x 39 . $mark;
        my $frame = pack("H12H12n", "ffffffffffff", $mac, $type) . $body;
        send($s, $frame, 0, pack("SnlSCCx8", 17, $type, $index, 0, 0, 6)) or die $!;
    } else {
        bind($s, pack("SnlSCCx8", 17, 3, $index, 0, 0, 6)) or die $!;
        open(my $ready, ">", "/run/ready"); close $ready;
        my %seen; $SIG{ALRM} = sub { print "late"; exit 1 }; alarm 30;
        while (recv($s, my $frame, 2000, 0), 1) {
            $seen{$1}++ while $frame =~ /mark-(\w+)/g;
            last if $seen{stop};
        }
        print join ",", sort keys %seen;
    }
"#;

/// Counts the marked frames that reach a container.
fn listen(k: &Instance, name: &str) -> std::process::Child {
    let mut listener = k.command(&["exec", name, "--", "perl", "-e", FRAMES, "count"]);
    let listener = listener.stdout(std::process::Stdio::piped()).spawn().unwrap();
    k.wait("the peer listens", || k.inside(name, "ls /run/ready") == "/run/ready");
    listener
}

/// The marks that were heard, in their order.
fn heard(listener: std::process::Child) -> String {
    String::from_utf8(listener.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_foreign_dhcp_server_and_router_advertisement_reach_nobody() {
    let Some(k) = Instance::start(9) else { return };
    k.import_debian();
    for name in ["liar", "peer"] {
        k.ok(&["create", "debian", "--name", name, "--memory", "256", "--start"]);
        assert_eq!(k.boot(name), "running");
    }
    k.wait("both have addresses", || {
        ["liar", "peer"].iter().all(|n| k.inside(n, "hostname -I").contains("10.109."))
    });
    let listener = listen(&k, "peer");
    // An ordinary broadcast passes, a DHCP offer (from port 67) and IPv6 do not; `stop` comes last.
    for (mark, kind, port) in [
        ("mark-plain", "2048", "9000"),
        ("mark-offer", "2048", "67"),
        ("mark-ra", "34525", "0"),
        ("mark-stop", "2048", "9000"),
    ] {
        k.ok(&["exec", "liar", "--", "perl", "-e", FRAMES, "send", mark, kind, port]);
    }
    assert_eq!(heard(listener), "plain,stop");
    let accept = fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{}/accept_ra", k.name()));
    assert!(accept.map_or(true, |text| text.trim() == "0"));
    k.finish();
}

#[test]
fn a_container_reaches_the_outside_by_the_hosts_address_only() {
    let Some(k) = Instance::start(10) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--start"]);
    assert_eq!(k.boot("web"), "running");
    k.wait("it has an address", || k.inside("web", "hostname -I").contains("10.110."));
    // A host "outside" that knows no way back to the container's network.
    let outside = Outside::make(&k);
    assert!(k.inside("web", &format!("ping -c1 -W5 {}", outside.own())).contains("1 received"));
    drop(outside);
    k.finish();
}

#[test]
fn limits_are_obeyed_inside_and_change_live() {
    let Some(k) = Instance::start(3) else { return };
    k.import_debian();
    k.ok(&[
        "create", "debian", "--name", "small", "--memory", "128", "--swap", "0", "--pids", "200", "--start",
    ]);
    assert_eq!(k.boot("small"), "running");
    let hog = "head -c 300M /dev/zero | tail > /dev/null; echo $?";
    assert_eq!(k.inside("small", hog), "137", "the hog was not ended");
    assert_eq!(k.status("small")["status"], "running");
    // A raised limit acts at once: the same hog now fits.
    k.ok(&["set", "small", "--memory", "1G"]);
    assert_eq!(k.inside("small", hog), "0");
    k.ok(&["set", "small", "--cores", "1"]);
    assert_eq!(k.inside("small", "nproc"), "1");
    let forks = k.inside("small", "for i in $(seq 400); do sleep 5 & done 2>&1 | tail -1");
    assert!(forks.contains("fork"), "{forks}");
    assert!(k.kiste(&["stats", "small", "--json"]).out.contains("oom_kills"));

    // Changes at the same time, also while it starts again: the kernel obeys what is stored.
    let change = |steps: std::ops::Range<u32>| {
        for mib in steps {
            // One that comes second is refused as stale, or comes to pass: both are right.
            let _ = k.kiste(&["set", "small", "--memory", &mib.to_string()]);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| change(300..310));
        scope.spawn(|| change(400..410));
        k.ok(&["reboot", "small"]);
    });
    let config: serde_json::Value = serde_json::from_str(&k.ok(&["config", "small", "--json"])).unwrap();
    let stored = config["limits"]["memory_max"].as_u64().unwrap();
    let files = ["memory/{}/100/memory.limit_in_bytes", "{}/100/memory.max"];
    let files = files.map(|f| format!("/sys/fs/cgroup/{}", f.replace("{}", k.name())));
    let obeyed = files.iter().find_map(|f| fs::read_to_string(f).ok()).unwrap();
    assert!(
        stored >= 300 << 20 && obeyed.trim() == stored.to_string(),
        "{stored} is stored, {obeyed} obeyed"
    );
    k.finish();
}

/// Process id on the host of the init of the instance's one container; 0: there is none.
fn init_pid(k: &Instance) -> u32 {
    let is_init = |pid: &String| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let is_first = read("status").lines().any(|l| l.starts_with("NSpid:") && l.ends_with("\t1"));
        is_first && read("cgroup").contains(&format!("/{}/", k.name()))
    };
    let all = kiste_tests_system::names(std::path::Path::new("/proc"));
    all.into_iter().find(is_init).map_or(0, |pid| pid.parse().unwrap())
}

#[test]
fn containers_outlive_the_engine() {
    let Some(mut k) = Instance::start(4) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "stay", "--memory", "256", "--start"]);
    assert_eq!(k.boot("stay"), "running");
    let id = k.inside("stay", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1");
    k.end_serve("KILL");
    k.serve();
    assert_eq!(k.status("stay")["status"], "running");
    assert_eq!(k.inside("stay", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1"), id);
    // Power off inside while nobody is there to hear it.
    let mut off = k.command(&["exec", "stay", "--", "sh", "-c", "sleep 1; poweroff"]).spawn().unwrap();
    k.wait("the command runs", || k.inside("stay", "pgrep -f poweroff").lines().count() > 1);
    k.end_serve("KILL");
    off.wait().unwrap();
    k.serve();
    k.wait_status("stay", "stopped");
    // Reboot inside is a new start with the same container.
    k.ok(&["start", "stay"]);
    assert_eq!(k.boot("stay"), "running");
    let born = |k: &Instance| k.inside("stay", "cut -d' ' -f22 /proc/1/stat");
    let first = born(&k);
    let _ = k.kiste(&["exec", "stay", "--", "reboot"]);
    k.wait("the second boot", || ![String::new(), first.clone()].contains(&born(&k)));
    assert_eq!(k.boot("stay"), "running");
    // The same while nobody is there to hear it.
    let (second, old) = (born(&k), init_pid(&k));
    k.ok(&["exec", "stay", "--", "systemd-run", "--quiet", "--no-block", "sh", "-c", "sleep 1; reboot"]);
    k.end_serve("KILL");
    k.wait("another init runs", || ![0, old].contains(&init_pid(&k)));
    k.serve();
    assert_eq!(k.status("stay")["status"], "running");
    assert_eq!(k.boot("stay"), "running");
    assert_ne!(born(&k), second);
    let stats: serde_json::Value = serde_json::from_str(&k.ok(&["stats", "stay", "--json"])).unwrap();
    assert!(stats["stats"]["memory_used"].as_u64().is_some_and(|n| n > 1 << 20), "{stats}");
    k.ok(&["suspend", "stay"]);
    assert_eq!(k.status("stay")["status"], "frozen");
    k.refused(&["exec", "stay", "--", "true"]);
    k.ok(&["resume", "stay"]);
    k.ok(&["shutdown", "stay"]);
    // Asked before init can listen, it is asked again.
    k.ok(&["start", "stay"]);
    let shutdown = k.kiste(&["shutdown", "stay", "--timeout", "30"]);
    assert!(shutdown.code == 0 && !format!("{shutdown:?}").contains("WARN"), "{shutdown:?}");
    k.finish();
}

#[test]
fn containers_outlive_their_shims() {
    let Some(mut k) = Instance::start(17) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "orphan", "--memory", "256", "--start"]);
    assert_eq!(k.boot("orphan"), "running");
    let id = k.inside("orphan", "stat -c %Y /proc/1");
    let taken_over = |k: &Instance| k.log().matches("earlier console output is lost").count();
    // While the engine is down, then under its eyes.
    k.end_serve("KILL");
    k.kill_shims();
    k.serve();
    assert_eq!(taken_over(&k), 1);
    assert_eq!(k.status("orphan")["status"], "running");
    assert_eq!(k.inside("orphan", "stat -c %Y /proc/1"), id);
    k.kill_shims();
    k.wait("a new shim takes over", || taken_over(&k) == 2);
    assert_eq!(
        k.inside("orphan", "stat -c %Y /proc/1; systemctl is-system-running"),
        format!("{id}\nrunning")
    );
    let shutdown = k.kiste(&["shutdown", "orphan"]);
    assert!(shutdown.code == 0 && !format!("{shutdown:?}").contains("WARN"), "{shutdown:?}");
    assert_eq!(k.status("orphan")["status"], "stopped");
    k.ok(&["start", "orphan"]);
    assert_eq!(k.boot("orphan"), "running");
    k.finish();
}

#[test]
fn an_engine_killed_in_the_middle_leaves_whole_containers_or_none() {
    let Some(mut k) = Instance::start(5) else { return };
    k.import_debian();
    for round in 0..4 {
        let name = format!("c{round}");
        let create = k.command(&["create", "debian", "--name", &name, "--no-wait"]).status().unwrap();
        assert!(create.success());
        k.end_serve("KILL");
        k.serve();
        let rows: serde_json::Value = serde_json::from_str(&k.ok(&["list", "--json"])).unwrap();
        let mut listed: Vec<String> =
            rows.as_array().unwrap().iter().map(|r| r["vmid"].to_string()).collect();
        let mut on_disk = kiste_tests_system::names(&k.dir().join("data/containers"));
        listed.sort();
        on_disk.sort();
        assert_eq!(listed, on_disk);
        if let Some(vmid) = listed.first() {
            let destroy = k.command(&["destroy", vmid, "--no-wait"]).status().unwrap();
            assert!(destroy.success());
            k.end_serve("KILL");
            k.serve();
            assert_eq!(k.kiste(&["status", vmid]).code, 1, "a deletion was not finished");
        }
    }
    k.finish();
}
