//! Under which names this site may be asked for (security rule 26).
//!
//! A foreign name that somebody makes lead here (DNS rebinding) would be an origin of its own to a browser:
//! nothing here may answer to it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names that lead here by right, beside addresses.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    node: String,
    names: Vec<String>,
}

impl Hosts {
    /// The node's name with or without a domain, and what the configuration adds.
    pub(crate) fn new(node: &str, names: &[String]) -> Self {
        Self {
            node: node.to_ascii_lowercase(),
            names: names.iter().map(|n| n.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether a `Host` header's value is one of them. An address needs no name service, so nobody can make
    /// it lead elsewhere.
    pub(crate) fn know(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.to_ascii_lowercase();
        if let Some(v6) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            return v6.parse::<Ipv6Addr>().is_ok();
        }
        let name = name.strip_suffix('.').unwrap_or(&name);
        name.parse::<Ipv4Addr>().is_ok()
            || name == "localhost"
            || name.split('.').next() == Some(&self.node)
            || self.names.iter().any(|n| n == name)
    }
}

/// The host of `host:port`; `None` when it is neither.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => return Some(host),
    };
    let is_port = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    is_port.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_the_node_and_configured_names_are_known() {
        let hosts = Hosts::new("box", &["Kiste.example.org".to_owned()]);
        for good in [
            "box",
            "BOX:8006",
            "box.lan:8006",
            "localhost:8006",
            "192.0.2.1",
            "192.0.2.1:8006",
            "[::1]:8006",
            "[2001:db8::1]",
            "kiste.example.org",
            "box.lan.:8006",
        ] {
            assert!(hosts.know(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:8006",
            "boxer",
            "evil.box",
            "kiste.example.org.evil.example",
            "box:http",
            "box:",
            "[evil]:8006",
            "::1",
            "0x7f.1",
            "user@box",
            "localhost.evil.example",
        ] {
            assert!(!hosts.know(bad), "{bad}");
        }
    }
}
