//! The network of one instance: a bridge, its rules, its DHCP and DNS server.
//!
//! | part | task |
//! | --- | --- |
//! | [`subnet`] | chooses a network that no route of the host covers |
//! | [`rules`] | the nftables rule set |
//! | [`lan`] | bridges of the host that containers may be plugged in |
//! | [`probe()`] | tries all of it, out of sight |
//! | [`dnsmasq`] | one DHCP and DNS server a bridge, found again after a restart |
//!
//! Everything is named after the bridge, so instances never meet. It knows no user and no task.

mod dnsmasq;
pub mod lan;
mod probe;
mod rules;
pub mod subnet;

use std::{
    collections::BTreeMap,
    fs, io,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use linux::rtnetlink::{self, VethEnd};
use model::{
    BridgeName, ContainerName, Forward, Subnet, Vmid,
    nic::{LinkName, Nic},
};
use thiserror::Error;

pub use probe::probe;

/// Largest packet on the own bridge.
const MTU: u32 = 1500;

/// What an instance's network is to be.
#[derive(Debug, Clone)]
pub struct NetworkSpec {
    /// Bridge and identity.
    pub bridge: BridgeName,
    /// The bridge's address and network.
    pub subnet: Subnet,
    /// Folder for the server's files; root's.
    pub run_dir: PathBuf,
    /// Group in the v2 tree that the server lives in, so that it outlives the engine's own.
    pub server_cgroup: Option<PathBuf>,
}

/// One container on the bridge, or on one of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its number.
    pub vmid: Vmid,
    /// Its name in DNS.
    pub name: ContainerName,
    /// Its addresses.
    pub nic: Nic,
    /// Ports of the node that lead to it.
    pub forwards: Vec<Forward>,
}

/// The network cannot be set up.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// The bridge.
    #[error("cannot set up the bridge {0}")]
    Bridge(BridgeName, #[source] io::Error),
    /// Two instances whose interfaces have the same beginning: the rules of each would drop the other's traffic.
    #[error("the interfaces of bridge {0} would be named as those of {1}: set another `bridge`")]
    Twin(BridgeName, BridgeName),
    /// A bridge of the host that a container is plugged in.
    #[error("cannot plug into the bridge {0} of this node: {why}", why = .1)]
    Lan(LinkName, lan::Fault),
    /// The pair of interfaces of a container.
    #[error("cannot make the interface {0}")]
    Interface(String, #[source] io::Error),
    /// A setting of the kernel.
    #[error("cannot set {0}")]
    Setting(String, #[source] io::Error),
    /// nft is missing.
    #[error("nft is missing: install the package nftables")]
    NoNft(#[source] io::Error),
    /// nft refused.
    #[error("nft refused the rules: {0}")]
    Rules(String),
    /// dnsmasq is missing.
    #[error("dnsmasq is missing: install the package dnsmasq-base")]
    NoDnsmasq(#[source] io::Error),
    /// dnsmasq ended at once.
    #[error("dnsmasq does not run: {0}")]
    Dnsmasq(String),
    /// A file of the server.
    #[error("cannot write {0}")]
    File(PathBuf, #[source] io::Error),
    /// [`Network::remove`] came before.
    #[error("the network was taken away: the service is ending")]
    Removed,
}

/// A prepared interface for the shim.
#[derive(Debug, Clone)]
pub struct PreparedNic {
    /// Name of the host end.
    pub host_interface: String,
    /// rtnetlink message.
    pub message: Vec<u8>,
    /// Where the process id goes.
    pub netns_pid_offset: usize,
}

/// The running network.
#[derive(Debug)]
pub struct Network {
    spec: NetworkSpec,
    served: Mutex<Served>,
}

/// What the network serves, and with what.
#[derive(Debug, Default)]
struct Served {
    endpoints: BTreeMap<Vmid, Endpoint>,
    server: Option<dnsmasq::Server>,
    /// Whether it was taken away: nothing may put the rules back then.
    is_removed: bool,
}

/// Tables of other programs that would drop the bridge's traffic (Docker's, ufw's).
#[must_use]
pub fn foreign_drops() -> Vec<String> {
    rules::foreign_drops()
}

impl Network {
    /// Makes bridge, rules and server, or finds them again, for exactly these containers. What fails half way
    /// leaves nothing that was not there before.
    ///
    /// # Errors
    /// [`NetworkError`] says what the host lacks.
    pub fn ensure(spec: NetworkSpec, endpoints: Vec<Endpoint>) -> Result<Self, NetworkError> {
        let endpoints = endpoints.into_iter().map(|e| (e.vmid, e)).collect();
        let network = Self { spec, served: Mutex::new(Served { endpoints, ..Served::default() }) };
        let was_there = rtnetlink::link_index(network.spec.bridge.as_str()).is_ok();
        match network.set_up() {
            Ok(()) => Ok(network),
            Err(error) => {
                if !was_there {
                    network.remove();
                }
                Err(error)
            }
        }
    }

    fn set_up(&self) -> Result<(), NetworkError> {
        let bridge = &self.spec.bridge;
        if let Some(twin) = find_twin(bridge, &list_bridges()) {
            return Err(NetworkError::Twin(bridge.clone(), twin));
        }
        self.ensure_bridge()?;
        let mut served = self.lock();
        rules::apply(&self.spec, served.endpoints.values())?;
        dnsmasq::write_hosts(&self.spec, served.endpoints.values())?;
        served.server = Some(dnsmasq::ensure(&self.spec)?);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one container more; again is no error.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn admit(&self, endpoint: Endpoint) -> Result<(), NetworkError> {
        let mut served = self.lock();
        if served.is_removed {
            return Err(NetworkError::Removed);
        }
        match served.endpoints.insert(endpoint.vmid, endpoint.clone()) {
            Some(old) if old != endpoint => {
                let change = rules::replace(&self.spec, &old, &endpoint);
                self.follow(&served, change)?;
                if (old.nic.mac, old.nic.own_address()) != (endpoint.nic.mac, endpoint.nic.own_address()) {
                    self.release(&mut served, &old);
                }
                Ok(())
            }
            _ => {
                let change = rules::admit(&self.spec, &endpoint);
                self.follow(&served, change)
            }
        }
    }

    /// Serves a container no longer; that it was not served is no error.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn expel(&self, vmid: Vmid) -> Result<(), NetworkError> {
        let mut served = self.lock();
        match served.endpoints.remove(&vmid) {
            Some(gone) if !served.is_removed => {
                let change = rules::expel(&self.spec, &gone);
                let done = self.follow(&served, change);
                match done {
                    Ok(()) => self.release(&mut served, &gone),
                    // Still to be done when it is tried again.
                    Err(_) => drop(served.endpoints.insert(vmid, gone)),
                }
                done
            }
            _ => Ok(()),
        }
    }

    /// Frees the address that somebody had; a server that does not come back is started by the next `keep_server`.
    fn release(&self, served: &mut Served, gone: &Endpoint) {
        let Some(address) = gone.nic.own_address() else { return };
        match dnsmasq::release(&self.spec, served.server.take(), address) {
            Ok(server) => served.server = server,
            Err(error) => tracing::warn!(%address, %error, "its lease could not be taken back"),
        }
    }

    /// Where the single change was refused, something else changed the rules: all of them are written then.
    fn follow(&self, served: &Served, change: Result<(), NetworkError>) -> Result<(), NetworkError> {
        change.or_else(|_| rules::apply(&self.spec, served.endpoints.values()))?;
        dnsmasq::write_hosts(&self.spec, served.endpoints.values())?;
        // One that has ended is started by the next `keep_server`, and reads all then.
        served.server.as_ref().map_or(Ok(()), dnsmasq::Server::reload)
    }

    /// Puts the rules back when something has flushed them.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn keep_rules(&self) -> Result<(), NetworkError> {
        let served = self.lock();
        if served.is_removed || rules::are_present(&self.spec, served.endpoints.values()) {
            return Ok(());
        }
        tracing::warn!(bridge = %self.spec.bridge, "the network's rules were gone and are put back");
        rules::apply(&self.spec, served.endpoints.values())
    }

    /// Starts the server again when it has ended. Cheap while it runs.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn keep_server(&self) -> Result<(), NetworkError> {
        let mut served = self.lock();
        if served.is_removed || served.server.as_ref().is_some_and(dnsmasq::Server::is_alive) {
            return Ok(());
        }
        tracing::warn!(bridge = %self.spec.bridge, "dnsmasq had ended and is started again");
        served.server = None;
        served.server = Some(dnsmasq::ensure(&self.spec)?);
        Ok(())
    }

    /// The message that makes a container's interface.
    ///
    /// # Errors
    /// When the bridge is gone.
    pub fn prepare_nic(&self, endpoint: &Endpoint) -> Result<PreparedNic, NetworkError> {
        let bridge = &self.spec.bridge;
        let (index, mtu) = match endpoint.nic.lan() {
            None => {
                let failed = |e| NetworkError::Bridge(bridge.clone(), e);
                (rtnetlink::link_index(bridge.as_str()).map_err(failed)?, MTU)
            }
            Some(lan) => lan::port(&lan.bridge)?,
        };
        let host_interface = bridge.host_interface(endpoint.vmid);
        let mut host_mac = endpoint.nic.mac.0;
        // Highest of all, so that the bridge never takes it for its own.
        host_mac[0] = 0xfe;
        let host = VethEnd { name: host_interface.clone(), mac: host_mac };
        let peer = VethEnd { name: "eth0".into(), mac: endpoint.nic.mac.0 };
        let message = rtnetlink::veth_message(&host, &peer, index, mtu);
        Ok(PreparedNic { host_interface, message: message.bytes, netns_pid_offset: message.netns_pid_offset })
    }

    /// Takes bridge, rules and server away.
    pub fn remove(&self) {
        let mut served = self.lock();
        served.is_removed = true;
        dnsmasq::stop(&self.spec, served.server.take());
        rules::remove(&self.spec);
        if let Err(error) = rtnetlink::delete_link(self.spec.bridge.as_str()) {
            tracing::warn!(bridge = %self.spec.bridge, %error, "the bridge could not be removed");
        }
    }

    fn ensure_bridge(&self) -> Result<(), NetworkError> {
        let bridge = &self.spec.bridge;
        let failed = |e| NetworkError::Bridge(bridge.clone(), e);
        rtnetlink::ensure_bridge(bridge.as_str(), bridge_mac(bridge)).map_err(failed)?;
        if !std::path::Path::new(&format!("/sys/class/net/{bridge}/bridge")).exists() {
            return Err(failed(io::Error::other("an interface of that name exists and is no bridge")));
        }
        for (key, value) in [("accept_ra", "0"), ("disable_ipv6", "1")] {
            let file = format!("/proc/sys/net/ipv6/conf/{bridge}/{key}");
            match fs::write(&file, value) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(NetworkError::Setting(file, e)),
                _ => {}
            }
        }
        // The second lets the node itself reach forwarded ports by its loopback address; rules keep containers out.
        for file in [
            "/proc/sys/net/ipv4/ip_forward".to_owned(),
            format!("/proc/sys/net/ipv4/conf/{bridge}/route_localnet"),
        ] {
            fs::write(&file, "1").map_err(|e| NetworkError::Setting(file, e))?;
        }
        let index = rtnetlink::link_index(bridge.as_str()).map_err(failed)?;
        let (address, prefix): (Ipv4Addr, u8) =
            (self.spec.subnet.bridge_address(), self.spec.subnet.prefix_len());
        rtnetlink::ensure_address(index, address, prefix).map_err(failed)
    }
}

/// Bridges of this host that an instance could have made.
fn list_bridges() -> Vec<BridgeName> {
    let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let bridges = links.filter(|link| link.path().join("bridge").exists());
    bridges.filter_map(|link| link.file_name().to_str()?.parse().ok()).collect()
}

/// Another bridge whose name has the same short hash.
fn find_twin(bridge: &BridgeName, others: &[BridgeName]) -> Option<BridgeName> {
    let prefix = bridge.host_interface_prefix();
    others.iter().find(|other| *other != bridge && other.host_interface_prefix() == prefix).cloned()
}

/// Fixed by the name: the bridge's address never changes when ports come and go.
fn bridge_mac(bridge: &BridgeName) -> [u8; 6] {
    let hash = bridge
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    [0x02, a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_whose_interfaces_would_be_named_alike_is_found() {
        let names: Vec<BridgeName> = (0..2000).map(|n| format!("kiste{n}").parse().unwrap()).collect();
        let twins = names.iter().filter_map(|name| Some((name, find_twin(name, &names)?)));
        let (name, twin) = twins.clone().next().expect("2000 names share 46656 hashes");
        assert_eq!(name.host_interface_prefix(), twin.host_interface_prefix());
        assert_ne!(*name, twin);
        assert_eq!(find_twin(name, std::slice::from_ref(name)), None);
    }
}
