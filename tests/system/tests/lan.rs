//! A container with an address of its own in the LAN, reached from another machine there: a namespace on a bridge of
//! the host, in which the host itself has no address.
#![allow(clippy::unwrap_used, reason = "tests")]

use kiste_tests_system::{Instance, router::Router, run};
use serde_json::Value;

/// Answers with the address that it was called from.
const SERVER: &str = r#"use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $s->accept) { my $l = <$c>; print $c "HTTP/1.0 200 OK\r\n\r\nhello " . $c->peerhost . "\n"; close $c }"#;

fn address(k: &Instance, name: &str) -> Option<String> {
    k.status(name)["addresses"][0].as_str().map(str::to_owned)
}

fn serve(k: &Instance, name: &str) {
    k.ok(&["exec", name, "--", "systemd-run", "--quiet", "--unit", "answer", "perl", "-e", SERVER]);
    k.wait("the server listens", || k.inside(name, "ss -tln").contains(":80 "));
}

#[test]
fn a_container_has_an_address_in_the_lan_and_is_reached_there() {
    let Some(mut k) = Instance::start(27) else { return };
    k.import_debian();
    let lan = Router::make(&k);
    let by_dhcp = format!("name=eth0,bridge={},ip=dhcp", lan.bridge);
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--net0", &by_dhcp, "--start"]);
    k.wait("the LAN's server gave it an address", || {
        address(&k, "web").is_some_and(|a| a.starts_with("192.0.2.1"))
    });
    assert_eq!(k.boot("web"), "running");
    let given = address(&k, "web").unwrap();
    assert_eq!(k.inside("web", "hostname -I").trim(), given);
    assert!(k.ok(&["list"]).contains(&given));
    let config = k.ok(&["config", "web"]);
    assert!(
        config.contains(&format!("bridge={},ip=dhcp", lan.bridge)) && config.contains(&given),
        "{config}"
    );
    serve(&k, "web");
    let at = |address: &str| lan.get(&format!("http://{address}/"));
    assert_eq!(at(&given), "hello 192.0.2.1");

    // Its port takes its own Ethernet address only: a bridge learns no other one from it.
    let learned = || run("bridge", &["fdb", "show", "br", &lan.bridge]).out;
    let config: Value = serde_json::from_str(&k.ok(&["config", "web", "--json"])).unwrap();
    let mac = config["nic"]["mac"].as_str().unwrap();
    assert!(learned().contains(mac), "{mac}: {}", learned());
    let ping = "ping -c1 -W1 192.0.2.1 >/dev/null && echo answered";
    let sent = || k.inside("web", "cat /sys/class/net/eth0/statistics/tx_packets").parse::<u64>().unwrap();
    let before = sent();
    k.ok(&["exec", "web", "--", "ip", "link", "set", "eth0", "address", "02:00:00:66:66:66"]);
    k.wait("it has sent something", || {
        assert_eq!(k.inside("web", ping), "");
        sent() > before
    });
    assert!(!learned().contains("02:00:00:66:66:66"), "{}", learned());
    k.ok(&["exec", "web", "--", "ip", "link", "set", "eth0", "address", mac]);
    k.wait("with its own it may", || k.inside("web", ping) == "answered");

    // An engine that ends takes nothing away, the next one knows it all.
    k.end_serve("TERM");
    assert_eq!(at(&given), "hello 192.0.2.1");
    k.serve();
    assert_eq!((address(&k, "web").unwrap(), at(&given).as_str()), (given.clone(), "hello 192.0.2.1"));
    let fixed = format!("bridge={},ip=192.0.2.60/24,gw=192.0.2.1,dns=192.0.2.1", lan.bridge);
    assert!(k.refused(&["set", "web", "--net0", &fixed]).contains("is running: cannot change the interface"));
    k.ok(&["shutdown", "web"]);
    assert_eq!(address(&k, "web"), None, "nobody knows beforehand");

    // The same with an address that is given.
    k.ok(&["set", "web", "--net0", &fixed]);
    assert_eq!(address(&k, "web").as_deref(), Some("192.0.2.60"));
    let again = ["create", "debian", "--name", "bad", "--net0", &fixed];
    assert!(k.refused(&again).contains("address 192.0.2.60 is taken"));
    k.ok(&["start", "web"]);
    for _ in 0..2 {
        assert_eq!(k.boot("web"), "running");
        assert_eq!(k.inside("web", "hostname -I").trim(), "192.0.2.60");
        assert!(k.inside("web", "ip route").contains("default via 192.0.2.1"));
        assert!(k.inside("web", "resolvectl dns eth0").ends_with(" 192.0.2.1"));
        serve(&k, "web");
        assert_eq!(at("192.0.2.60"), "hello 192.0.2.1");
        assert_eq!(address(&k, "web").as_deref(), Some("192.0.2.60"));
        k.ok(&["reboot", "web"]);
    }
    assert_eq!(k.boot("web"), "running");
    let from = |source: &str| {
        k.inside("web", &format!("ping -c1 -W1 -I {source} 192.0.2.1 >/dev/null && echo answered"))
    };
    k.ok(&["exec", "web", "--", "ip", "address", "add", "192.0.2.61/24", "dev", "eth0"]);
    assert_eq!(from("192.0.2.60"), "answered");
    assert_eq!(from("192.0.2.61"), "", "the port knows its address");

    // Back on the instance's own bridge, and in the LAN once more.
    k.ok(&["shutdown", "web"]);
    k.ok(&["set", "web", "--net0", "name=eth0"]);
    k.ok(&["start", "web"]);
    assert_eq!(k.boot("web"), "running");
    let own = address(&k, "web").unwrap();
    assert!(own.starts_with("10.127."), "{own}");
    k.wait("it has its address", || k.inside("web", "hostname -I").trim() == own);
    k.ok(&["shutdown", "web"]);
    k.ok(&["set", "web", "--net0", &by_dhcp]);
    k.ok(&["start", "web"]);
    k.wait("the LAN's server gave it one", || address(&k, "web").is_some_and(|a| a == given));
    assert_eq!(lan.ports().len(), 2);
    k.ok(&["destroy", "web", "--force"]);
    assert_eq!(lan.ports(), [format!("{}v", lan.bridge)], "the bridge stays, the port goes");
    drop(lan);
    k.finish();
}

#[test]
fn what_is_no_bridge_of_a_lan_is_refused_with_a_way_on() {
    let Some(k) = Instance::start(29) else { return };
    let Some(other) = Instance::start(30) else { return };
    k.import_debian();
    let lan = Router::make(&k);
    let done = |net0: &str, more: &[&str]| {
        k.kiste(&[&["create", "debian", "--name", "bad", "--net0", net0], more].concat())
    };
    for (net0, code, why) in [
        ("bridge=nosuch0", 1, "there is no interface nosuch0 on this node: `ip link show type bridge`"),
        ("bridge=lo", 1, "lo is an interface of this node but no bridge"),
        (&format!("bridge={}", k.name()), 1, "is this instance's own bridge"),
        (&format!("bridge={}", other.name()), 1, "is the bridge of another instance"),
        ("bridge=../x", 2, "is no name of a bridge"),
        ("bridge=b,ip=192.0.2.60/24,gw=192.0.3.1", 2, "is no other machine in 192.0.2.0/24"),
        ("bridge=b,ip=192.0.2.60", 2, "is no address for a machine in a LAN"),
        ("bridge=b,rate=10", 2, "the key rate of an interface is not built yet"),
        ("bridge=b,speed=10", 2, "an interface has no key speed"),
        ("ip=192.0.2.60/24", 2, "name its bridge too"),
    ] {
        let refused = done(net0, &[]);
        assert_eq!(refused.code, code, "{net0}: {refused:?}");
        assert!(refused.err.contains(why), "{net0}: {refused:?}");
    }
    let there = format!("bridge={}", lan.bridge);
    assert!(done(&there, &["--forward", "8081:80"]).err.contains("take its port forwards away"));
    assert_eq!(k.ok(&["list", "--json"]), "[]");
    let node: Value = serde_json::from_str(&k.ok(&["node", "--json"])).unwrap();
    let offered: Vec<&str> = node["bridges"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(offered.contains(&lan.bridge.as_str()), "{offered:?}");
    assert!(!offered.contains(&k.name()) && !offered.contains(&other.name()), "{offered:?}");

    // A bridge that has gone meanwhile is named, and the container comes up when it is there again.
    k.ok(&["create", "debian", "--name", "web", "--memory", "256", "--net0", &there]);
    drop(lan);
    let failed = k.refused(&["start", "web"]);
    assert!(failed.contains("there is no such interface"), "{failed}");
    let lan = Router::make(&k);
    k.ok(&["start", "web"]);
    k.wait("it has an address", || address(&k, "web").is_some_and(|a| a.starts_with("192.0.2.1")));
    k.ok(&["destroy", "web", "--force"]);
    drop(lan);
    other.finish();
    k.finish();
}

#[test]
fn an_application_in_the_lan_is_healthy_and_its_card_leads_there() {
    let Some(k) = Instance::start(28) else { return };
    k.ok(&["template", "import", &std::env::var("KISTE_TEST_WORDPRESS").unwrap()]);
    let lan = Router::make(&k);
    let net0 = format!("bridge={}", lan.bridge);
    let words = ["create", "wordpress", "--name", "blog", "--param", "admin_email=anna@example.org"];
    k.ok(&[&words[..], &["--param", "site_title=Annas Blog", "--net0", &net0, "--start"]].concat());
    let done = k.kiste(&["health", "blog", "--wait", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let card: Value = serde_json::from_str(&k.ok(&["access", "blog", "--json"])).unwrap();
    let url = card["url"].as_str().unwrap();
    assert!(url.starts_with("http://192.0.2.1"), "{url}");
    let page = lan.get(url.trim_end_matches("wp-admin/"));
    assert!(page.contains("Annas Blog"), "{url}: {page}");
    k.ok(&["destroy", "blog", "--force"]);
    drop(lan);
    k.finish();
}
