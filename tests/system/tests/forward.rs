//! Forwarded ports, with real packets from another machine's place, the node itself and another container.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::TcpListener;

use kiste_tests_system::{Instance, outside::Outside, run};

/// Answers with the address that it was called from.
const SERVER: &str = r#"use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $s->accept) { my $l = <$c>; print $c "HTTP/1.0 200 OK\r\n\r\nhello " . $c->peerhost . "\n"; close $c }"#;
const UDP_SERVER: &str = r#"use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 5353, Proto => "udp") or die;
while ($s->recv(my $b, 99)) { $s->send("hello " . $s->peerhost) }"#;
const UDP_CLIENT: &str = r#"use IO::Socket::INET; alarm 5;
my $s = IO::Socket::INET->new(PeerAddr => shift, Proto => "udp") or die; $s->send("x"); $s->recv(my $b, 99); print $b"#;

const CURL: [&str; 5] = ["curl", "-s", "-m5", "--noproxy", "*"];

fn serve(k: &Instance, name: &str, unit: &str, script: &str) {
    let words = ["exec", name, "--", "systemd-run", "--quiet", "--unit", unit, "perl", "-e", script];
    k.ok(&words);
}

#[test]
fn forwarded_ports_lead_in_from_everywhere_and_are_closed_again() {
    let Some(mut k) = Instance::start(64) else { return };
    k.import_debian();
    // Ports that nobody else takes: all tests of this machine share it.
    let tcp = (20_000..30_000u16).find(|p| TcpListener::bind(("0.0.0.0", *p)).is_ok()).unwrap();
    let (forward, udp) = (format!("{tcp}:80"), format!("{tcp}:5353/udp"));
    let busy = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let in_use = format!("{}:80", busy.local_addr().unwrap().port());
    let create = |name: &str, forward: &str| {
        ["create", "debian", "--name", name, "--memory", "256", "--forward", forward].map(str::to_owned)
    };
    let refused = |forward: &str| {
        let words = create("bad", forward);
        k.refused(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(refused(&in_use).contains("in use by a program"));
    assert_eq!(k.kiste(&["create", "debian", "--name", "bad", "--forward", "http"]).code, 2);
    let words =
        ["create", "debian", "--name", "web", "--memory", "256", "--forward", &forward, "--forward", &udp];
    k.ok(&[&words[..], &["--start"]].concat());
    assert!(refused(&forward).contains("is taken"));
    k.ok(&["create", "debian", "--name", "other", "--memory", "256", "--start"]);
    for name in ["web", "other"] {
        assert_eq!(k.boot(name), "running");
        k.wait("it has an address", || k.inside(name, "hostname -I").contains("10.164."));
    }
    serve(&k, "web", "answer", SERVER);
    serve(&k, "web", "answer-udp", UDP_SERVER);
    k.wait("the server listens", || {
        k.inside("web", "ss -tln").matches(":80 ").count()
            + k.inside("web", "ss -uln").matches(":5353 ").count()
            == 2
    });

    let outside = Outside::make(&k);
    let (node, greeting) = (outside.node(), format!("hello {}", outside.own()));
    let (at, url) = (format!("{node}:{tcp}"), format!("http://{node}:{tcp}/"));
    let from_outside = |url: &str| outside.run(&[&CURL[..], &[url]].concat());
    assert_eq!(from_outside(&url), greeting, "the caller's address is kept");
    assert_eq!(outside.run(&["perl", "-e", UDP_CLIENT, &at]), greeting);
    for own in [&url, &format!("http://127.0.0.1:{tcp}/")] {
        let said = run("curl", &["-s", "-m5", "--noproxy", "*", own]).out;
        assert!(said.starts_with("hello "), "{own}: {said}");
    }
    let said = k.inside("other", &format!("curl -s -m5 {url}"));
    assert!(said.starts_with("hello "), "from another container: {said}");
    // Nothing else of the node is opened by that: neither its loopback nor the manager.
    let manager = k.address();
    let loopback = format!("curl -sk -m3 {manager}/healthz; curl -s -m3 http://127.0.0.1:{tcp}/");
    assert_eq!(k.inside("other", &loopback), "");

    // A restart of the service keeps them.
    k.end_serve("TERM");
    assert_eq!(from_outside(&url), greeting);
    k.serve();
    assert_eq!(from_outside(&url), greeting);

    k.ok(&["set", "web", "--no-forwards"]);
    assert_eq!(from_outside(&url), "");
    k.ok(&["set", "other", "--forward", &forward]);
    assert!(k.refused(&["set", "web", "--forward", &forward]).contains("is taken"));
    k.ok(&["destroy", "other", "--force"]);
    k.ok(&["set", "web", "--forward", &forward]);
    assert_eq!(from_outside(&url), greeting);
    drop(outside);
    k.finish();
}
