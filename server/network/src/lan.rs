//! Bridges of the host that containers may be plugged in. They are somebody else's: nothing of them is changed, a
//! port comes and goes with its container.

use std::{fs, io, net::Ipv4Addr, path::PathBuf};

use linux::rtnetlink;
use model::{
    BridgeName,
    nic::{DNS_MAX, LinkName},
};
use thiserror::Error;

use crate::{NetworkError, bridge_mac};

/// Why a container cannot be plugged in there.
#[derive(Debug, Error)]
pub enum Fault {
    /// There is none of that name.
    #[error("there is no such interface")]
    Absent(#[source] io::Error),
    /// It is an interface of another kind.
    #[error("it is no bridge")]
    NoBridge,
    /// It is the instance's own.
    #[error("it is this instance's own")]
    Own,
    /// Another instance made it.
    #[error("it is another instance's")]
    Others,
}

fn folder(bridge: &str) -> PathBuf {
    PathBuf::from("/sys/class/net").join(bridge)
}

/// Checks that a bridge of the host can be used beside the instance's `own`.
///
/// # Errors
/// [`Fault`] says why not.
pub fn check(bridge: &LinkName, own: &BridgeName) -> Result<(), Fault> {
    if bridge.as_str() == own.as_str() {
        return Err(Fault::Own);
    }
    find(bridge)?;
    if is_ours(bridge.as_str()) { Err(Fault::Others) } else { Ok(()) }
}

fn find(bridge: &LinkName) -> Result<u32, Fault> {
    let index = rtnetlink::link_index(bridge.as_str()).map_err(Fault::Absent)?;
    if folder(bridge.as_str()).join("bridge").exists() { Ok(index) } else { Err(Fault::NoBridge) }
}

/// Whether an instance of Kiste made it: its Ethernet address follows from its name.
fn is_ours(bridge: &str) -> bool {
    let Ok(name) = bridge.parse::<BridgeName>() else { return false };
    let address = fs::read_to_string(folder(bridge).join("address")).unwrap_or_default();
    address.trim() == model::MacAddress(bridge_mac(&name)).to_string()
}

/// Bridges of this host that containers could be plugged in, by name.
#[must_use]
pub fn list(own: &BridgeName) -> Vec<LinkName> {
    let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut names: Vec<LinkName> = links
        .filter_map(|link| link.file_name().to_str()?.parse().ok())
        .filter(|n| check(n, own).is_ok())
        .collect();
    names.sort();
    names
}

/// Index and largest packet of a bridge: a port with another one would change the bridge's.
pub(crate) fn port(bridge: &LinkName) -> Result<(u32, u32), NetworkError> {
    let index = find(bridge).map_err(|fault| NetworkError::Lan(bridge.clone(), fault))?;
    let mtu = fs::read_to_string(folder(bridge.as_str()).join("mtu")).ok();
    Ok((index, mtu.and_then(|text| text.trim().parse().ok()).unwrap_or(crate::MTU)))
}

/// Name servers of the host that another machine can use too; resolv.conf(5). Those of systemd-resolved itself
/// stand in a file of their own.
#[must_use]
pub fn host_name_servers() -> Vec<Ipv4Addr> {
    let files = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let found = files.iter().map(|file| name_servers(&fs::read_to_string(file).unwrap_or_default()));
    found.into_iter().find(|servers| !servers.is_empty()).unwrap_or_default()
}

fn name_servers(text: &str) -> Vec<Ipv4Addr> {
    let server = |line: &str| line.strip_prefix("nameserver")?.trim().parse::<Ipv4Addr>().ok();
    let is_far = |a: &Ipv4Addr| !a.is_loopback() && !a.is_unspecified();
    text.lines().filter_map(server).filter(is_far).take(DNS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_on_the_hosts_loopback_are_of_no_use() {
        let text = "# x\nnameserver 127.0.0.53\nnameserver fd00::1\nnameserver 192.168.1.1\noptions edns0\n";
        assert_eq!(name_servers(text), [Ipv4Addr::new(192, 168, 1, 1)]);
        assert!(name_servers("nameserver 127.0.0.1\n").is_empty());
    }

    #[test]
    fn the_loopback_is_no_bridge_and_nothing_is_nothing() {
        let own: BridgeName = "kiste0".parse().unwrap();
        let fault = |name: &str| check(&name.parse().unwrap(), &own).unwrap_err();
        assert!(matches!(fault("lo"), Fault::NoBridge));
        assert!(matches!(fault("no-such-link"), Fault::Absent(_)));
        assert!(matches!(fault("kiste0"), Fault::Own));
    }
}
