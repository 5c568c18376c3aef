//! The network's vocabulary: bridge, subnet, MAC address.

use std::{net::Ipv4Addr, str::FromStr};

use ipnet::Ipv4Net;
use thiserror::Error;

use crate::{Refusal, Vmid, text::text_type};

/// A bridge's name and so the instance's identity: cgroup root, nft table and veth names follow from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeName(String);

/// The text is no bridge name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no bridge name: use 1 to 10 of a-z, 0-9, beginning with a letter")]
pub struct ParseBridgeNameError(String);

impl BridgeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host end of a container's first interface, at most 15 bytes (`IFNAMSIZ`): the VMID in base 36
    /// behind a short hash of the bridge's name, so that two instances never meet.
    #[must_use]
    pub fn host_interface(&self, vmid: Vmid) -> String {
        let hash = self.0.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        format!("kv{}{}", base36(hash % 46_656, 3), base36(vmid.get(), 1))
    }

    /// What all host ends of this instance begin with.
    #[must_use]
    pub fn host_interface_prefix(&self) -> String {
        self.host_interface(Vmid::FIRST)[..5].to_owned()
    }
}

fn base36(mut n: u32, width: usize) -> String {
    let mut digits = Vec::new();
    while n > 0 || digits.len() < width {
        digits.push(char::from_digit(n % 36, 36).unwrap_or('0'));
        n /= 36;
    }
    digits.iter().rev().collect()
}

impl FromStr for BridgeName {
    type Err = ParseBridgeNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let ok = (1..=10).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && s.starts_with(|c: char| c.is_ascii_lowercase());
        if ok { Ok(Self(s.to_owned())) } else { Err(ParseBridgeNameError(s.to_owned())) }
    }
}

text_type!(BridgeName);

/// An Ethernet address, unicast, printed in lower case with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// A locally administered address from 40 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 5]) -> Self {
        Self([0x02, bits[0], bits[1], bits[2], bits[3], bits[4]])
    }
}

impl FromStr for MacAddress {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || Refusal::NotAMac { given: s.to_owned() };
        let mut out = [0; 6];
        let mut parts = s.split(':');
        for byte in &mut out {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(err)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| err())?;
        }
        if parts.next().is_some() || out[0] & 1 == 1 || out == [0; 6] {
            return Err(err());
        }
        Ok(Self(out))
    }
}

impl std::fmt::Display for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

crate::text::text_serde!(MacAddress);

/// The bridge's own address with its network's prefix length, such as `10.77.0.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Ipv4Net", into = "Ipv4Net")]
pub struct Subnet(Ipv4Net);

/// The text is no usable subnet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no usable subnet: write the bridge's address with a prefix of 16 to 29, such as 10.77.0.1/24"
)]
pub struct ParseSubnetError(String);

impl Subnet {
    /// The bridge's own address.
    #[must_use]
    pub fn bridge_address(self) -> Ipv4Addr {
        self.0.addr()
    }

    /// The network with its prefix, host bits cleared.
    #[must_use]
    pub fn network(self) -> Ipv4Net {
        self.0.trunc()
    }

    /// Prefix length, 16 to 29.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether a container may have this address: inside, not the network's, the bridge's or broadcast.
    #[must_use]
    pub fn can_assign(self, address: Ipv4Addr) -> bool {
        self.0.contains(&address)
            && address != self.0.network()
            && address != self.0.broadcast()
            && address != self.0.addr()
    }

    /// The lowest assignable address that is not in `taken`.
    #[must_use]
    pub fn free_address(self, taken: &std::collections::BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        self.0.hosts().find(|a| self.can_assign(*a) && !taken.contains(a))
    }
}

impl TryFrom<Ipv4Net> for Subnet {
    type Error = ParseSubnetError;
    fn try_from(net: Ipv4Net) -> Result<Self, Self::Error> {
        let usable = (16..=29).contains(&net.prefix_len())
            && net.addr() != net.network()
            && net.addr() != net.broadcast();
        if usable { Ok(Self(net)) } else { Err(ParseSubnetError(net.to_string())) }
    }
}

impl From<Subnet> for Ipv4Net {
    fn from(s: Subnet) -> Self {
        s.0
    }
}

impl FromStr for Subnet {
    type Err = ParseSubnetError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let net: Ipv4Net = s.parse().map_err(|_| ParseSubnetError(s.to_owned()))?;
        net.try_into()
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_interface_names_fit_the_kernel_and_differ_by_instance() {
        let (a, b): (BridgeName, BridgeName) = ("kiste0".parse().unwrap(), "kiste1".parse().unwrap());
        let last: Vmid = "999999999".parse().unwrap();
        assert!(a.host_interface(last).len() <= 15);
        assert_ne!(a.host_interface(Vmid::FIRST), b.host_interface(Vmid::FIRST));
        assert!(a.host_interface(last).starts_with(&a.host_interface_prefix()));
    }

    #[test]
    fn network_bridge_and_broadcast_addresses_are_never_assigned() {
        let subnet: Subnet = "10.1.2.1/29".parse().unwrap();
        let mut taken = std::collections::BTreeSet::new();
        while let Some(address) = subnet.free_address(&taken) {
            taken.insert(address);
        }
        let last: Vec<u8> = taken.iter().map(|a| a.octets()[3]).collect();
        assert_eq!(last, [2, 3, 4, 5, 6]);
        for bad in ["10.0.0.0/24", "10.0.0.255/24", "10.0.0.1/30", "10.0.0.1/8", "10.0.0.1", "fd00::1/64"] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn mac_addresses_are_unicast() {
        assert!("02:00:00:00:00:01".parse::<MacAddress>().is_ok());
        for bad in [
            "01:00:00:00:00:01",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "2:0:0:0:0:1",
            "00:00:00:00:00:00",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad}");
        }
    }
}
