//! A container's interface: on the instance's own bridge, or on a bridge of the host with an address of the LAN.
//!
//! [`Net0`] is what a person asks for, in Proxmox's spelling; [`Nic`] is what the database knows. Whether a bridge
//! exists is the engine's to see.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{MacAddress, Refusal, text::text_type};

/// Most name servers of one interface, as resolv.conf(5) has it.
pub const DNS_MAX: usize = 3;

/// The name of an interface of the host, such as `vmbr0` (`IFNAMSIZ`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

impl LinkName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        // It becomes a name of a folder in /sys, so neither `.` nor `..`.
        let ok = (1..=15).contains(&s.len())
            && s.bytes().all(is_plain)
            && s.starts_with(|c: char| c.is_ascii_alphanumeric());
        if ok { Ok(Self(s.to_owned())) } else { Err(Refusal::NotALinkName { given: short(s) }) }
    }
}

text_type!(LinkName);

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A container's interface as the database knows it; the name inside is `eth0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// Stable Ethernet address of the container's end.
    pub mac: MacAddress,
    /// Where it is plugged in.
    #[serde(flatten)]
    pub place: Place,
    /// Whether the system inside has still to be told: the next start does it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_due: bool,
}

/// Where an interface is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The instance's own bridge; its only address there, by the instance's DHCP.
    Address(Ipv4Addr),
    /// A bridge of the host.
    Lan(Lan),
}

/// A bridge of the host, and how an address of its LAN is had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lan {
    /// The bridge.
    pub bridge: LinkName,
    /// How an address is had.
    pub ip: LanIp,
}

/// How an address of the LAN is had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LanIp {
    /// From the LAN's own DHCP server.
    Dhcp,
    /// Given here.
    Static(StaticIp),
}

/// An address that is given, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticIp {
    /// The address with its network's prefix length.
    pub address: Ipv4Net,
    /// The LAN's router.
    #[serde(default)]
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
}

impl Nic {
    /// The address that is known beforehand; `None`: the LAN's DHCP server gives it.
    #[must_use]
    pub fn address(&self) -> Option<Ipv4Addr> {
        match &self.place {
            Place::Address(address) => Some(*address),
            Place::Lan(Lan { ip: LanIp::Static(ip), .. }) => Some(ip.address.addr()),
            Place::Lan(Lan { ip: LanIp::Dhcp, .. }) => None,
        }
    }

    /// The address on the instance's own bridge, when it is plugged in there.
    #[must_use]
    pub fn own_address(&self) -> Option<Ipv4Addr> {
        match &self.place {
            Place::Address(address) => Some(*address),
            Place::Lan(_) => None,
        }
    }

    /// Where in the LAN it is, when it is there.
    #[must_use]
    pub fn lan(&self) -> Option<&Lan> {
        match &self.place {
            Place::Address(_) => None,
            Place::Lan(lan) => Some(lan),
        }
    }

    /// What the system inside is to do.
    #[must_use]
    pub fn ip(&self) -> LanIp {
        self.lan().map_or(LanIp::Dhcp, |lan| lan.ip.clone())
    }

    /// As it would be asked for.
    #[must_use]
    pub fn to_net0(&self) -> Net0 {
        Net0 { mac: Some(self.mac), lan: self.lan().cloned() }
    }
}

impl LanIp {
    /// Reads `dhcp` or an address with its prefix, a gateway and name servers; empty ones are none.
    ///
    /// # Errors
    /// What cannot be.
    pub fn parse(ip: &str, gateway: &str, dns: &str) -> Result<Self, Refusal> {
        if matches!(ip, "" | "dhcp") {
            if gateway.is_empty() && dns.is_empty() {
                return Ok(Self::Dhcp);
            }
            return Err(Refusal::GatewayWithDhcp);
        }
        let err = || Refusal::NotALanAddress { given: short(ip) };
        let address: Ipv4Net = ip.parse().map_err(|_| err())?;
        if !is_host(address, address.addr()) {
            return Err(err());
        }
        let gateway = match gateway {
            "" => None,
            text => {
                let err =
                    || Refusal::NotAGateway { given: short(text), network: address.trunc().to_string() };
                let gateway: Ipv4Addr = text.parse().map_err(|_| err())?;
                if !is_host(address, gateway) || gateway == address.addr() {
                    return Err(err());
                }
                Some(gateway)
            }
        };
        let servers = dns.split([';', ' ']).filter(|s| !s.is_empty());
        let read = |s: &str| {
            let server = s.parse::<Ipv4Addr>().ok().filter(|a| !a.is_loopback() && !a.is_unspecified());
            server.ok_or_else(|| Refusal::NotANameServer { given: short(s) })
        };
        let dns = servers.take(DNS_MAX + 1).map(read).collect::<Result<Vec<_>, _>>()?;
        if dns.len() > DNS_MAX {
            return Err(Refusal::TooManyNameServers { max: DNS_MAX });
        }
        Ok(Self::Static(StaticIp { address, gateway, dns }))
    }
}

/// Whether a machine in the network can have this address.
fn is_host(network: Ipv4Net, address: Ipv4Addr) -> bool {
    let is_unicast = !address.is_loopback()
        && !address.is_multicast()
        && !address.is_unspecified()
        && !address.is_broadcast()
        && address.octets()[0] != 0;
    // RFC 3021: a network of two has neither a name nor a broadcast address.
    let is_edge =
        network.prefix_len() < 31 && (address == network.network() || address == network.broadcast());
    (1..=31).contains(&network.prefix_len()) && network.contains(&address) && is_unicast && !is_edge
}

/// What a person asks for: `name=eth0,bridge=vmbr0,ip=192.168.1.50/24,gw=192.168.1.1`. Without a bridge it is the
/// instance's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net0 {
    /// Its Ethernet address; `None`: as it is, or a random one.
    pub mac: Option<MacAddress>,
    /// Where in the LAN; `None`: the instance's own bridge.
    pub lan: Option<Lan>,
}

/// Keys of Proxmox that mean something which is not built yet: taking them in silence would be a lie.
const LATER: [&str; 8] = ["rate", "tag", "trunks", "firewall", "mtu", "link_down", "ip6", "gw6"];

impl FromStr for Net0 {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || Refusal::NotANet0 { given: short(s) };
        let (mut mac, mut bridge) = (None, None);
        let mut texts = std::collections::BTreeMap::new();
        for part in s.split(',') {
            let (key, value) = part.trim().split_once('=').ok_or_else(err)?;
            match key {
                "name" if value == "eth0" => {}
                "type" if value == "veth" => {}
                "name" | "type" => return Err(err()),
                "bridge" => bridge = Some(value.parse::<LinkName>()?),
                "hwaddr" => mac = Some(value.parse::<MacAddress>()?),
                "ip" | "gw" | "dns" => {}
                key if LATER.contains(&key) => return Err(Refusal::Net0KeyLater { key: key.to_owned() }),
                key => return Err(Refusal::Net0KeyUnknown { key: short(key) }),
            }
            if texts.insert(key, value).is_some() {
                return Err(err());
            }
        }
        let text = |key: &str| texts.get(key).copied().unwrap_or_default();
        let lan = match bridge {
            Some(bridge) => Some(Lan { bridge, ip: LanIp::parse(text("ip"), text("gw"), text("dns"))? }),
            None if matches!(text("ip"), "" | "dhcp") && text("gw").is_empty() && text("dns").is_empty() => {
                None
            }
            None => return Err(Refusal::BridgeMissing),
        };
        Ok(Self { mac, lan })
    }
}

impl fmt::Display for Net0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("name=eth0")?;
        if let Some(mac) = self.mac {
            write!(f, ",hwaddr={mac}")?;
        }
        if let Some(lan) = &self.lan {
            write!(f, ",bridge={}", lan.bridge)?;
        }
        match self.lan.as_ref().map(|lan| &lan.ip) {
            None | Some(LanIp::Dhcp) => f.write_str(",ip=dhcp"),
            Some(LanIp::Static(ip)) => {
                write!(f, ",ip={}", ip.address)?;
                if let Some(gateway) = ip.gateway {
                    write!(f, ",gw={gateway}")?;
                }
                if ip.dns.is_empty() {
                    return Ok(());
                }
                write!(f, ",dns={}", ip.dns.iter().map(ToString::to_string).collect::<Vec<_>>().join(";"))
            }
        }
    }
}

crate::text::text_serde!(Net0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_and_printed() {
        for (text, shown) in [
            ("name=eth0", "name=eth0,ip=dhcp"),
            ("name=eth0,ip=dhcp,type=veth", "name=eth0,ip=dhcp"),
            ("bridge=vmbr0", "name=eth0,bridge=vmbr0,ip=dhcp"),
            (
                "name=eth0,hwaddr=02:00:00:00:00:01,bridge=br-lan,ip=dhcp",
                "name=eth0,hwaddr=02:00:00:00:00:01,bridge=br-lan,ip=dhcp",
            ),
            (
                "bridge=vmbr0, ip=192.168.1.50/24, gw=192.168.1.1, dns=9.9.9.9;1.1.1.1",
                "name=eth0,bridge=vmbr0,ip=192.168.1.50/24,gw=192.168.1.1,dns=9.9.9.9;1.1.1.1",
            ),
            ("bridge=p2p,ip=10.0.0.0/31,gw=10.0.0.1", "name=eth0,bridge=p2p,ip=10.0.0.0/31,gw=10.0.0.1"),
        ] {
            let net0: Net0 = text.parse().unwrap();
            assert_eq!(net0.to_string(), shown);
            assert_eq!(shown.parse::<Net0>().unwrap(), net0);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        use Refusal as R;
        let refused = |text: &str| text.parse::<Net0>().unwrap_err();
        for text in ["", "eth0", "name=eth1", "bridge=a,bridge=b", "ip=dhcp,ip=dhcp", "type=macvlan,bridge=b"]
        {
            assert!(matches!(refused(text), R::NotANet0 { .. }), "{text}");
        }
        for text in ["bridge=", "bridge=a/b", "bridge=..", "bridge=sixteen-letters-", "bridge=a b"] {
            assert!(matches!(refused(text), R::NotALinkName { .. }), "{text}");
        }
        for ip in [
            "10.0.0.0/8",
            "10.255.255.255/8",
            "192.168.1.5",
            "192.168.1.5/32",
            "127.0.0.1/8",
            "fd00::1/64",
            "auto",
            "0.0.0.1/8",
            "224.0.0.5/4",
            "1.2.3.4/0",
        ] {
            assert!(matches!(refused(&format!("bridge=b,ip={ip}")), R::NotALanAddress { .. }), "{ip}");
        }
        for gateway in ["192.168.2.1", "192.168.1.5", "192.168.1.0", "192.168.1.255", "router"] {
            let text = format!("bridge=b,ip=192.168.1.5/24,gw={gateway}");
            assert!(matches!(refused(&text), R::NotAGateway { .. }), "{gateway}");
        }
        assert!(matches!(refused("bridge=b,ip=192.168.1.5/24,dns=127.0.0.1"), R::NotANameServer { .. }));
        assert!(matches!(
            refused("bridge=b,ip=192.168.1.5/24,dns=1.1.1.1;1.1.1.2;1.1.1.3;1.1.1.4"),
            R::TooManyNameServers { .. }
        ));
        assert_eq!(refused("bridge=b,gw=192.168.1.1"), R::GatewayWithDhcp);
        assert_eq!(refused("ip=192.168.1.5/24"), R::BridgeMissing);
        assert_eq!(refused("bridge=b,rate=10"), R::Net0KeyLater { key: "rate".into() });
        assert_eq!(refused("bridge=b,speed=10"), R::Net0KeyUnknown { key: "speed".into() });
    }

    #[test]
    fn interfaces_of_older_databases_are_understood() {
        let old = r#"{"mac":"02:00:00:00:00:01","address":"10.77.0.2"}"#;
        let nic: Nic = serde_json::from_str(old).unwrap();
        assert_eq!(nic.own_address(), Some(Ipv4Addr::new(10, 77, 0, 2)));
        assert_eq!(serde_json::to_string(&nic).unwrap(), old);
        let lan =
            "hwaddr=02:00:00:00:00:01,bridge=b,ip=192.168.1.5/24,gw=192.168.1.1".parse::<Net0>().unwrap();
        let nic = Nic { place: Place::Lan(lan.lan.clone().unwrap()), is_due: true, ..nic };
        let json = serde_json::to_string(&nic).unwrap();
        assert_eq!(serde_json::from_str::<Nic>(&json).unwrap(), nic);
        assert_eq!(
            (nic.address(), nic.own_address(), nic.to_net0()),
            (Some(Ipv4Addr::new(192, 168, 1, 5)), None, lan)
        );
    }
}
