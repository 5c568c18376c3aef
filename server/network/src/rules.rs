//! The rule set, each change one transaction; nft(8).
//!
//! Two tables named after the bridge. `inet`: NAT, forwarding, and what containers may ask of the host
//! (addresses by DHCP, names, ping; never the manager). `bridge`: each port may use its own MAC and
//! IPv4 address only, for ARP and IP; DHCP answers come from us alone; no IPv6 until it is built. That holds for
//! ports on bridges of the host too, but for the address where the LAN's DHCP server gives it: it is not known
//! beforehand, so such a port may use any. Nothing else is done there.
//! All parts are typed values that cannot hold a space or a quote, so the text cannot be broken into.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use model::application::Transport;

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

/// Changes one container's entries in one go.
pub(crate) fn replace(spec: &NetworkSpec, old: &Endpoint, new: &Endpoint) -> Result<(), NetworkError> {
    run(&format!("{}{}", elements(spec, "delete", old), elements(spec, "add", new)))
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

/// A container's entry in the set `macs`, and the set with its other one: `owners` where its address is known,
/// `roaming` where a DHCP server of the LAN gives it.
fn entries(spec: &NetworkSpec, Endpoint { vmid, nic, .. }: &Endpoint) -> (String, (&'static str, String)) {
    let port = format!("\"{}\"", spec.bridge.host_interface(*vmid));
    let mac = format!("{port} . {}", nic.mac);
    let other = match nic.address() {
        Some(address) => ("owners", format!("{mac} . {address}")),
        None => ("roaming", port),
    };
    (mac, other)
}

/// A change of both sets.
fn elements(spec: &NetworkSpec, verb: &str, endpoint: &Endpoint) -> String {
    let (mac, (set, entry)) = entries(spec, endpoint);
    let bridge = &spec.bridge;
    let mut text = format!(
        "{verb} element bridge {bridge} macs {{ {mac} }}\n{verb} element bridge {bridge} {set} {{ {entry} }}\n"
    );
    for (protocol, entry) in forwards(endpoint) {
        let _ = writeln!(text, "{verb} element inet {bridge} forwards_{} {{ {entry} }}", protocol.as_str());
    }
    text
}

/// A container's entries in the maps of forwarded ports.
fn forwards(endpoint: &Endpoint) -> impl Iterator<Item = (Transport, String)> {
    let address = endpoint.nic.own_address();
    let entry = move |f: &model::Forward| {
        address.map(|address| (f.protocol, format!("{} : {address} . {}", f.host, f.container)))
    };
    endpoint.forwards.iter().filter_map(entry)
}

/// Whether both tables are there with all that they must hold: a flush leaves them, but empty.
pub(crate) fn are_present<'a>(
    spec: &NetworkSpec,
    endpoints: impl Iterator<Item = &'a Endpoint> + Clone,
) -> bool {
    let mut kept = String::new();
    for family in ["inet", "bridge"] {
        match list(&["table", family, spec.bridge.as_str()]) {
            Ok(output) if output.status.success() => kept += &String::from_utf8_lossy(&output.stdout),
            _ => return false,
        }
    }
    are_whole(&kept, spec, endpoints)
}

/// Whether the listed tables hold as many rules in each chain as we write, and every container's entries.
fn are_whole<'a>(
    listed: &str,
    spec: &NetworkSpec,
    mut endpoints: impl Iterator<Item = &'a Endpoint> + Clone,
) -> bool {
    chain_lengths(listed) == chain_lengths(&ruleset(spec, endpoints.clone()))
        && endpoints.all(|endpoint| {
            let (mac, (_, entry)) = entries(spec, endpoint);
            // The port stands in both sets, and the text of one entry is the beginning of the other.
            let port = format!("\"{}\"", spec.bridge.host_interface(endpoint.vmid));
            listed.contains(&mac)
                && listed.contains(&entry)
                && listed.matches(&port).count() >= 2
                && forwards(endpoint).all(|(_, entry)| listed.contains(&entry))
        })
}

/// Lines of each chain, in the text as we and nft write it: one a rule, and one for the hook.
fn chain_lengths(text: &str) -> BTreeMap<&str, usize> {
    let mut lengths = BTreeMap::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("chain ") {
            let length = lines.by_ref().take_while(|l| *l != "}").filter(|l| !l.is_empty()).count();
            lengths.insert(name, length);
        }
    }
    lengths
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
    let listed = list(&["chains"]);
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

fn list(what: &[&str]) -> io::Result<Output> {
    let mut command = Command::new("/usr/sbin/nft");
    command.arg("list").args(what).env_clear().stdin(Stdio::null()).stderr(Stdio::null()).output()
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
    let (mut macs, mut owners, mut roaming, mut tcp, mut udp) = (vec![], vec![], vec![], vec![], vec![]);
    for endpoint in endpoints {
        let (mac, (set, entry)) = entries(spec, endpoint);
        macs.push(mac);
        if set == "owners" { &mut owners } else { &mut roaming }.push(entry);
        for (protocol, entry) in forwards(endpoint) {
            match protocol {
                Transport::Tcp => tcp.push(entry),
                Transport::Udp => udp.push(entry),
            }
        }
    }
    let initial = |list: &[String]| {
        if list.is_empty() { String::new() } else { format!("elements = {{ {} }}", list.join(", ")) }
    };
    let [macs, owners, roaming, tcp, udp] = [&macs, &owners, &roaming, &tcp, &udp].map(|list| initial(list));
    format!(
        r#"table inet {bridge} {{}}
delete table inet {bridge}
table bridge {bridge} {{}}
delete table bridge {bridge}
table inet {bridge} {{
    map forwards_tcp {{
        type inet_service : ipv4_addr . inet_service
        {tcp}
    }}
    map forwards_udp {{
        type inet_service : ipv4_addr . inet_service
        {udp}
    }}
    chain loopback {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{bridge}" ip daddr 127.0.0.0/8 drop
    }}
    chain dstnat {{
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local dnat ip to tcp dport map @forwards_tcp
        fib daddr type local dnat ip to udp dport map @forwards_udp
    }}
    chain output {{
        type nat hook output priority -100; policy accept;
        fib daddr type local dnat ip to tcp dport map @forwards_tcp
        fib daddr type local dnat ip to udp dport map @forwards_udp
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {network} ip daddr != {network} masquerade
        oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
        ip saddr {network} ip daddr {network} ct status dnat masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        oifname "{bridge}" ct status dnat accept
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
    set roaming {{
        type ifname
        {roaming}
    }}
    chain prerouting {{
        type filter hook prerouting priority filter; policy accept;
        iifname "{prefix}*" jump port
    }}
    chain port {{
        iifname . ether saddr != @macs drop
        ether type arp iifname . arp saddr ether . arp saddr ip @owners accept
        ether type arp iifname @roaming iifname . arp saddr ether @macs accept
        ether type ip udp sport 67 drop
        ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
        ether type ip iifname . ether saddr . ip saddr @owners accept
        ether type ip iifname @roaming accept
        drop
    }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::nic::{Nic, Place};

    #[test]
    fn tables_that_drop_what_is_forwarded_are_named() {
        let chains = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n\
                      \tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n\
                      table inet kiste0 {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t}\n}\n";
        assert_eq!(dropping_tables(chains), ["ip filter"]);
    }

    fn one() -> (NetworkSpec, Endpoint) {
        let spec = NetworkSpec {
            bridge: "kt0".parse().unwrap(),
            subnet: "10.77.3.1/24".parse().unwrap(),
            run_dir: "/nowhere".into(),
            server_cgroup: None,
        };
        let endpoint = Endpoint {
            vmid: model::Vmid::FIRST,
            name: "web".parse().unwrap(),
            nic: Nic {
                mac: "02:00:00:00:00:01".parse().unwrap(),
                place: Place::Address("10.77.3.2".parse().unwrap()),
                is_due: false,
            },
            forwards: vec!["8081:80".parse().unwrap()],
        };
        (spec, endpoint)
    }

    #[test]
    fn a_table_that_lacks_a_rule_or_an_entry_is_not_whole() {
        let (spec, endpoint) = one();
        let text = ruleset(&spec, std::iter::once(&endpoint));
        let is_whole = |text: &str| are_whole(text, &spec, std::iter::once(&endpoint));
        assert!(is_whole(&text));
        let (mac, (_, owner)) = entries(&spec, &endpoint);
        let needed: Vec<&str> =
            text.lines().filter(|l| l.starts_with("        ") && !l.trim().is_empty()).collect();
        // What a set or map is of cannot be changed without taking it away, with all that uses it.
        let needed: Vec<&str> = needed.into_iter().filter(|l| !l.trim().starts_with("type i")).collect();
        assert_eq!(needed.len(), 36, "{needed:#?}");
        for line in needed {
            assert!(!is_whole(&text.replacen(&format!("{line}\n"), "", 1)), "{line}");
        }
        assert!(!is_whole(&text.replace(&owner, "")) && !is_whole(&text.replacen(&mac, "", 1)));
        assert!(!is_whole(""));
    }

    #[test]
    fn every_container_has_its_port_rule_and_everything_else_is_dropped() {
        let (spec, endpoint) = one();
        let port = spec.bridge.host_interface(endpoint.vmid);
        let text = ruleset(&spec, std::iter::once(&endpoint));
        assert!(text.contains(&format!("\"{port}\" . 02:00:00:00:00:01 . 10.77.3.2")));
        assert_eq!(
            elements(&spec, "add", &endpoint).lines().nth(1),
            Some(
                format!("add element bridge kt0 owners {{ \"{port}\" . 02:00:00:00:00:01 . 10.77.3.2 }}")
                    .as_str()
            )
        );
        assert!(text.contains("elements = { 8081 : 10.77.3.2 . 80 }"));
        assert!(text.contains("ip saddr 10.77.3.0/24 ip daddr != 10.77.3.0/24 masquerade"));
        assert!(!ruleset(&spec, std::iter::empty()).contains("elements"));
    }

    #[test]
    fn a_port_in_a_lan_is_bound_to_what_is_known_of_it() {
        let (spec, mut endpoint) = one();
        let port = spec.bridge.host_interface(endpoint.vmid);
        let mut lan = |ip: &str| {
            let net0: model::Net0 = format!("bridge=br0,ip={ip}").parse().unwrap();
            endpoint.nic.place = Place::Lan(net0.lan.unwrap());
            let text = ruleset(&spec, std::iter::once(&endpoint));
            assert!(are_whole(&text, &spec, std::iter::once(&endpoint)));
            assert!(!text.contains("8081"), "nothing is forwarded to a LAN");
            text
        };
        let fixed = lan("192.168.1.5/24");
        assert!(fixed.contains(&format!("elements = {{ \"{port}\" . 02:00:00:00:00:01 . 192.168.1.5 }}")));
        let roaming = lan("dhcp");
        assert!(roaming.contains(&format!("elements = {{ \"{port}\" }}")));
        assert!(roaming.contains(&format!("elements = {{ \"{port}\" . 02:00:00:00:00:01 }}")));
        let without = roaming.replacen(&format!("elements = {{ \"{port}\" }}"), "", 1);
        assert!(!are_whole(&without, &spec, std::iter::once(&endpoint)));
    }
}
