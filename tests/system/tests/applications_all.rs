//! Templates that `scripts/test --all` builds and proves beside those of every run. Downloads packages.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use kiste_tests_system::Instance;
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
    let words = ["create", "samba-ad-dc", "--name", "dc1", "--memory", "1024", "--param"];
    assert!(k.refused(&words[..6]).contains("realm must be given"));
    k.ok(&[&words[..], &["realm=ad.example.test", "--start"]].concat());
    for user in ["bob", "eve"] {
        become_healthy(&k, "dc1");
        let card = json(&k, &["access", "dc1", "--reveal", "--json"]);
        let password = card["password"].as_str().unwrap();
        let line = format!(
            "set -e; echo '{password}' | kinit Administrator >/dev/null 2>&1; klist -s; \
             samba-tool domain level show >/dev/null; \
             smbclient //dc1.ad.example.test/sysvol --use-kerberos=required -c ls 2>/dev/null | grep -c ad.example.test; \
             samba-tool user create {user} 'Passw0rd-xyz1' >/dev/null; \
             samba-tool ntacl sysvolcheck; \
             samba-tool dns query 127.0.0.1 _msdcs.ad.example.test _ldap._tcp.dc SRV --use-kerberos=required 2>/dev/null | grep -c 'SRV: dc1'; \
             id -u 'AD\\{user}'"
        );
        let said = k.inside("dc1", &line);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2.min(lines.len())], ["1", "1"], "{said}");
        let id: u32 = lines[2].parse().unwrap();
        assert!((20_000..60_000).contains(&id), "{said}");
        assert_ne!(k.inside("dc1", "echo wrong | kinit Administrator >/dev/null 2>&1; echo $?"), "0");
        assert_eq!(k.boot("dc1"), "running");
        k.ok(&["reboot", "dc1"]);
    }
    k.finish();
}

#[test]
fn wordpress_runs_on_debian_12_too() {
    let Some(k) = all(60) else { return };
    k.copy_recipes(&["debian-12", "debian-13", "lamp", "lamp-12", "wordpress", "wordpress-12"]);
    k.ok(&["template", "build", "wordpress-12"]);
    k.ok(&["create", "wordpress-12", "--name", "blog", "--param", "admin_email=anna@example.org", "--start"]);
    become_healthy(&k, "blog");
    assert_eq!(k.boot("blog"), "running");
    assert!(k.inside("blog", "cat /etc/debian_version").starts_with("12."));
    k.finish();
}
