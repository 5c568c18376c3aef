//! Templates that `scripts/test --all` builds and proves beside those of every run. Downloads packages.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use kiste_tests_system::{Instance, outside::Outside, router::Router, wordpress::log_in};
use serde_json::Value;

/// An instance when all templates are to be tried.
fn all(number: u8) -> Option<Instance> {
    if std::env::var_os("KISTE_TEST_ALL").is_none() {
        eprintln!("NOT RUN: scripts/test --all tries this template");
        return None;
    }
    Instance::start(number)
}

fn json(k: &Instance, words: &[&str]) -> Value {
    serde_json::from_str(&k.ok(words)).unwrap()
}

fn become_healthy(k: &Instance, name: &str) {
    let done = k.kiste(&["health", name, "--wait", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn a_domain_controller_serves_names_tickets_and_files() {
    let Some(k) = all(69) else { return };
    k.copy_recipes(&["debian-12", "debian-13", "samba-ad-dc"]);
    k.ok(&["template", "build", "samba-ad-dc"]);
    let words =
        ["create", "samba-ad-dc", "--name", "dc1", "--memory", "1024", "--param", "realm=ad.example.test"];
    assert!(k.refused(&words).contains("--net0"), "it serves a LAN, and says that it needs one");
    let lan = Router::make(&k);
    let net0 = format!("bridge={},ip=192.0.2.50/24,gw=192.0.2.1", lan.bridge);
    let in_lan = ["--net0", net0.as_str()];
    assert!(k.refused(&[&words[..6], &in_lan].concat()).contains("realm must be given"));
    k.ok(&[&words[..], &in_lan, &["--start"]].concat());
    for user in ["bob", "eve"] {
        become_healthy(&k, "dc1");
        let card = json(&k, &["access", "dc1", "--reveal", "--json"]);
        let password = card["password"].as_str().unwrap();
        let does = |line: &str, wanted: &str| k.inside("dc1", line).lines().last() == Some(wanted);
        let login = format!("echo '{password}' | kinit Administrator >/dev/null 2>&1; klist -s; echo $?");
        assert!(does(&login, "0"), "a ticket for the password of the card");
        assert!(does("samba-tool domain level show >/dev/null; echo $?", "0"));
        let listed = "smbclient //dc1.ad.example.test/sysvol --use-kerberos=required -c ls 2>/dev/null";
        assert!(does(&format!("{listed} | grep -c ad.example.test"), "1"));
        assert!(does(&format!("samba-tool user create {user} 'Passw0rd-xyz1' >/dev/null; echo $?"), "0"));
        let asked = "samba-tool dns query dc1.ad.example.test _msdcs.ad.example.test _ldap._tcp.dc SRV";
        k.wait("the record of the directory", || {
            does(&format!("{asked} --use-kerberos=required 2>/dev/null | grep -c 'SRV: dc1'"), "1")
        });
        // Its own database of access lists may be held by a server for a moment.
        k.wait("the access lists are sound", || {
            does("samba-tool ntacl sysvolcheck >/dev/null 2>&1; echo $?", "0")
        });
        let id: u32 = k.inside("dc1", &format!("id -u 'AD\\{user}'")).parse().unwrap();
        assert!((20_000..60_000).contains(&id), "{id}");
        assert_ne!(k.inside("dc1", "echo wrong | kinit Administrator >/dev/null 2>&1; echo $?"), "0");
        assert_eq!(k.boot("dc1"), "running");
        // Names, tickets, directory and files are there for machines of the LAN.
        for port in ["53", "88", "389", "445"] {
            let knock = format!("exec 3<>/dev/tcp/192.0.2.50/{port} && echo open");
            assert_eq!(lan.run(&["bash", "-c", &knock]), "open", "{port}");
        }
        k.ok(&["reboot", "dc1"]);
    }
    drop(lan);
    k.finish();
}

#[test]
fn wordpress_runs_on_debian_12_too() {
    let Some(k) = all(60) else { return };
    k.copy_recipes(&["debian-12", "debian-13", "lamp", "lamp-12", "wordpress", "wordpress-12"]);
    k.ok(&["template", "build", "wordpress-12"]);
    let outside = Outside::make(&k);
    let forward = format!("{}:80", outside.port(0));
    let words = ["create", "wordpress-12", "--name", "blog", "--param", "admin_email=anna@example.org"];
    k.ok(&[&words[..], &["--forward", &forward, "--start"]].concat());
    for _ in 0..2 {
        become_healthy(&k, "blog");
        let card = json(&k, &["access", "blog", "--reveal", "--json"]);
        let site = card["url"].as_str().unwrap().strip_suffix("/wp-admin/").unwrap().to_owned();
        let page = log_in(&k, &outside, &site, "admin", card["password"].as_str().unwrap());
        assert!(page.contains("wp-admin-bar-my-account"), "{page:.500}");
        assert_eq!(k.boot("blog"), "running");
        k.ok(&["reboot", "blog"]);
    }
    assert!(k.inside("blog", "cat /etc/debian_version").starts_with("12."));
    k.ok(&["create", "lamp-12", "--name", "pages", "--start"]);
    become_healthy(&k, "pages");
    drop(outside);
    k.finish();
}
