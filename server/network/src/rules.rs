//! The rule set, each change one transaction; nft(8).
//!
//! Two tables named after the bridge. `inet`: NAT, forwarding, and what containers may ask of the host
//! (addresses by DHCP, names, ping; never the manager). `bridge`: each port may use its own MAC and
//! IPv4 address only, for ARP and IP; DHCP answers come from us alone; no IPv6 until it is built.
//! All parts are typed values that cannot hold a space or a quote, so the text cannot be broken into.

use std::{
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use crate::{Endpoint, NetworkError, NetworkSpec};

/// Writes the rules for exactly these containers, in place of what was there.
pub(crate) fn apply<'a>(
    spec: &NetworkSpec,
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> Result<(), NetworkError> {
    run(&ruleset(spec, endpoints))
}

/// Opens one container's port. Much faster than [`apply`], which makes the kernel wait for the old tables.
pub(crate) fn admit(spec: &NetworkSpec, endpoint: &Endpoint) -> Result<(), NetworkError> {
    run(&elements(spec, "add", endpoint))
}

/// Closes one container's port; refused when it was not open.
pub(crate) fn expel(spec: &NetworkSpec, endpoint: &Endpoint) -> Result<(), NetworkError> {
    run(&elements(spec, "delete", endpoint))
}

fn run(text: &str) -> Result<(), NetworkError> {
    let output = nft(&["-f", "-"], text).map_err(NetworkError::NoNft)?;
    if output.status.success() {
        return Ok(());
    }
    Err(NetworkError::Rules(
        String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join("; "),
    ))
}

/// A container's entry in the set `macs`, and in the set `owners`.
fn entries(spec: &NetworkSpec, Endpoint { vmid, nic, .. }: &Endpoint) -> (String, String) {
    let port = spec.bridge.host_interface(*vmid);
    (format!("\"{port}\" . {}", nic.mac), format!("\"{port}\" . {} . {}", nic.mac, nic.address))
}

/// A change of both sets.
fn elements(spec: &NetworkSpec, verb: &str, endpoint: &Endpoint) -> String {
    let (mac, owner) = entries(spec, endpoint);
    let bridge = &spec.bridge;
    format!(
        "{verb} element bridge {bridge} macs {{ {mac} }}\n{verb} element bridge {bridge} owners {{ {owner} }}\n"
    )
}

/// Whether both tables are there.
pub(crate) fn are_present(spec: &NetworkSpec) -> bool {
    let list =
        |family| nft(&["list", "table", family, spec.bridge.as_str()], "").is_ok_and(|o| o.status.success());
    list("inet") && list("bridge")
}

/// Takes the tables away; that there are none is no error.
pub(crate) fn remove(spec: &NetworkSpec) {
    let bridge = &spec.bridge;
    let text = format!(
        "table inet {bridge} {{}}\ndelete table inet {bridge}\ntable bridge {bridge} {{}}\ndelete table bridge {bridge}\n"
    );
    let _ = nft(&["-f", "-"], &text);
}

/// Tables of others that drop what is forwarded unless they know it, as Docker's and ufw's do; they would
/// drop the bridge's traffic whatever our own table says. Empty when there are none, or nft is missing.
pub(crate) fn foreign_drops() -> Vec<String> {
    let listed = Command::new("/usr/sbin/nft")
        .args(["list", "chains"])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    listed.map(|o| dropping_tables(&String::from_utf8_lossy(&o.stdout))).unwrap_or_default()
}

/// From the list of all chains: tables with a forward hook whose policy is drop.
fn dropping_tables(chains: &str) -> Vec<String> {
    let mut table = "";
    let mut found = Vec::new();
    for line in chains.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches(" {");
        } else if line.contains("hook forward")
            && line.contains("policy drop")
            && !table.starts_with("bridge")
        {
            found.push(table.to_owned());
        }
    }
    found
}

fn nft(arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new("/usr/sbin/nft")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}

fn ruleset<'a>(spec: &NetworkSpec, endpoints: impl Iterator<Item = &'a Endpoint>) -> String {
    let bridge = &spec.bridge;
    let prefix = bridge.host_interface_prefix();
    let network = spec.subnet.network();
    let (macs, owners): (Vec<_>, Vec<_>) = endpoints.map(|e| entries(spec, e)).unzip();
    let initial = |list: &[String]| {
        if list.is_empty() { String::new() } else { format!("elements = {{ {} }}", list.join(", ")) }
    };
    let (macs, owners) = (initial(&macs), initial(&owners));
    format!(
        r#"table inet {bridge} {{}}
delete table inet {bridge}
table bridge {bridge} {{}}
delete table bridge {bridge}
table inet {bridge} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {network} ip daddr != {network} masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{bridge}" accept
        oifname "{bridge}" ct state established,related accept
        oifname "{bridge}" drop
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname "{bridge}" ct state established,related accept
        iifname "{bridge}" udp dport {{ 53, 67 }} accept
        iifname "{bridge}" tcp dport 53 accept
        iifname "{bridge}" icmp type echo-request accept
        iifname "{bridge}" drop
    }}
}}
table bridge {bridge} {{
    set macs {{
        type ifname . ether_addr
        {macs}
    }}
    set owners {{
        type ifname . ether_addr . ipv4_addr
        {owners}
    }}
    chain prerouting {{
        type filter hook prerouting priority filter; policy accept;
        iifname "{prefix}*" jump port
    }}
    chain port {{
        iifname . ether saddr != @macs drop
        ether type arp iifname . arp saddr ether . arp saddr ip @owners accept
        ether type ip udp sport 67 drop
        ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
        ether type ip iifname . ether saddr . ip saddr @owners accept
        drop
    }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::network::Nic;

    #[test]
    fn tables_that_drop_what_is_forwarded_are_named() {
        let chains = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n\
                      \tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n\
                      table inet kiste0 {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t}\n}\n";
        assert_eq!(dropping_tables(chains), ["ip filter"]);
    }

    #[test]
    fn every_container_has_its_port_rule_and_everything_else_is_dropped() {
        let spec = NetworkSpec {
            bridge: "kt0".parse().unwrap(),
            subnet: "10.77.3.1/24".parse().unwrap(),
            run_dir: "/nowhere".into(),
            server_cgroup: None,
        };
        let endpoint = Endpoint {
            vmid: model::Vmid::FIRST,
            name: "web".parse().unwrap(),
            nic: Nic { mac: "02:00:00:00:00:01".parse().unwrap(), address: "10.77.3.2".parse().unwrap() },
        };
        let port = spec.bridge.host_interface(endpoint.vmid);
        let text = ruleset(&spec, std::iter::once(&endpoint));
        assert!(text.contains(&format!("\"{port}\" . 02:00:00:00:00:01 . 10.77.3.2")));
        assert_eq!(
            elements(&spec, "add", &endpoint).lines().last(),
            Some(
                format!("add element bridge kt0 owners {{ \"{port}\" . 02:00:00:00:00:01 . 10.77.3.2 }}")
                    .as_str()
            )
        );
        assert!(text.contains("ip saddr 10.77.3.0/24 ip daddr != 10.77.3.0/24 masquerade"));
        assert!(!ruleset(&spec, std::iter::empty()).contains("elements"));
    }
}
