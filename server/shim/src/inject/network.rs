//! The system's own settings for eth0: systemd-networkd or ifupdown, whichever is there.
//!
//! What a system brings for eth0 is left alone while DHCP is asked for; a given address goes before it.

use std::{fmt::Write, fs, io, path::Path};

use model::nic::{LanIp, StaticIp};

use super::{read_bounded, replace};

const NETWORKD: [&str; 2] = ["/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"];
const FOLDER: &str = "/etc/systemd/network";
/// The first file that matches counts, in the order of their names.
const GIVEN: &str = "/etc/systemd/network/00-kiste-eth0.network";
const INTERFACES: &str = "/etc/network/interfaces";
/// In front of what stands in ifupdown's file for a given address.
const MARK: &str = "# Written by kiste.";

/// Sets eth0 up.
pub(super) fn set(ip: &LanIp) -> io::Result<()> {
    if Path::new(INTERFACES).is_file() && Path::new("/sbin/ifup").exists() {
        return set_interfaces(ip);
    }
    match (NETWORKD.iter().any(|p| Path::new(p).exists()), ip) {
        (true, ip) => set_networkd(ip),
        // Most systems ask for an address by themselves.
        (false, LanIp::Dhcp) => Ok(()),
        (false, LanIp::Static(_)) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn set_interfaces(ip: &LanIp) -> io::Result<()> {
    let text = read_bounded(INTERFACES)?;
    let is_kept = *ip == LanIp::Dhcp && text.contains("eth0") && !text.contains(MARK);
    if !is_kept {
        replace(INTERFACES, 0o644, &interfaces(&text, ip))?;
    }
    let LanIp::Static(StaticIp { dns, .. }) = ip else { return Ok(()) };
    let is_own = fs::symlink_metadata("/etc/resolv.conf").is_ok_and(|about| about.is_file());
    if dns.is_empty() || !is_own {
        return Ok(());
    }
    let lines: String = dns.iter().map(|server| format!("nameserver {server}\n")).collect();
    replace("/etc/resolv.conf", 0o644, &lines)
}

/// The file with another stanza for eth0 than it had; interfaces(5).
fn interfaces(text: &str, ip: &LanIp) -> String {
    let begins = ["iface", "auto", "allow-", "mapping", "source", "no-auto-down", "no-scripts", "template"];
    let (mut kept, mut is_ours) = (String::new(), false);
    for line in text.lines().filter(|l| *l != MARK) {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        if begins.iter().any(|word| first.starts_with(word)) {
            is_ours = second == Some("eth0");
        }
        if !is_ours {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let mut text = kept.trim_end().to_owned();
    // Writing to a String cannot fail.
    let _ = match ip {
        LanIp::Dhcp => write!(text, "\n\nauto eth0\niface eth0 inet dhcp\n"),
        LanIp::Static(StaticIp { address, gateway, .. }) => {
            let gateway = gateway.map(|g| format!("    gateway {g}\n")).unwrap_or_default();
            write!(text, "\n\n{MARK}\nauto eth0\niface eth0 inet static\n    address {address}\n{gateway}")
        }
    };
    text.trim_start().to_owned()
}

fn set_networkd(ip: &LanIp) -> io::Result<()> {
    fs::create_dir_all(FOLDER)?;
    match ip {
        LanIp::Static(ip) => replace(GIVEN, 0o644, &networkd(ip))?,
        LanIp::Dhcp => {
            match fs::remove_file(GIVEN) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            if !mentions_eth0(FOLDER) {
                let text = "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\nUseDomains=yes\n";
                replace(&format!("{FOLDER}/eth0.network"), 0o644, text)?;
            }
        }
    }
    enable("multi-user.target.wants", "systemd-networkd.service")?;
    enable("sockets.target.wants", "systemd-networkd.socket")
}

/// systemd.network(5).
fn networkd(StaticIp { address, gateway, dns }: &StaticIp) -> String {
    let mut text = format!("{MARK}\n[Match]\nName=eth0\n\n[Network]\nAddress={address}\n");
    for (key, value) in gateway.iter().map(|g| ("Gateway", g)).chain(dns.iter().map(|d| ("DNS", d))) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key}={value}");
    }
    text
}

/// What `systemctl enable` does; Debian ships networkd without.
fn enable(target: &str, unit: &str) -> io::Result<()> {
    let folder = format!("/etc/systemd/system/{target}");
    fs::create_dir_all(&folder)?;
    match std::os::unix::fs::symlink(format!("/lib/systemd/system/{unit}"), format!("{folder}/{unit}")) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn mentions_eth0(folder: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().take(100).any(|e| {
        e.path().extension().is_some_and(|x| x == "network")
            && read_bounded(&e.path().to_string_lossy()).is_ok_and(|t| t.contains("eth0"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> LanIp {
        LanIp::parse("192.168.1.5/24", "192.168.1.1", "9.9.9.9").unwrap()
    }

    #[test]
    fn a_given_address_goes_before_what_was_there_and_back() {
        let before = "auto lo\niface lo inet loopback\n\nallow-hotplug eth0\niface eth0 inet dhcp\n    mtu 1400\nsource /x/*\n";
        let fixed = interfaces(before, &given());
        let end = "auto eth0\niface eth0 inet static\n    address 192.168.1.5/24\n    gateway 192.168.1.1\n";
        assert_eq!(fixed, format!("auto lo\niface lo inet loopback\n\nsource /x/*\n\n{MARK}\n{end}"));
        assert_eq!(interfaces(&fixed, &given()), fixed);
        let back = interfaces(&fixed, &LanIp::Dhcp);
        assert_eq!(
            back,
            "auto lo\niface lo inet loopback\n\nsource /x/*\n\nauto eth0\niface eth0 inet dhcp\n"
        );
        assert!(interfaces("", &LanIp::Dhcp).starts_with("auto eth0"));
    }

    #[test]
    fn networkd_is_told_all_of_it() {
        let LanIp::Static(ip) = given() else { return };
        let text = networkd(&ip);
        assert!(
            text.ends_with("[Network]\nAddress=192.168.1.5/24\nGateway=192.168.1.1\nDNS=9.9.9.9\n"),
            "{text}"
        );
    }
}
