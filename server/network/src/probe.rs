//! Tries bridge, interface and rules in a network namespace of a thread, which ends and takes all of it along.

use std::{io, path::PathBuf, thread};

use linux::rtnetlink::{self, VethEnd};
use model::{
    BridgeName, Vmid,
    nic::{Nic, Place},
};
use rustix::thread::gettid;

use crate::{Endpoint, NetworkError, NetworkSpec, bridge_mac, rules};

/// What of a network does not work on this host, in one line; `None` when it cannot be tried, without root or
/// without nft.
#[must_use]
pub fn probe(bridge: &BridgeName) -> Option<Result<(), String>> {
    let bridge = bridge.clone();
    let tried = thread::spawn(move || {
        linux::namespaces::unshare_network().ok()?;
        match try_all(&bridge) {
            Err(NetworkError::NoNft(_)) => None,
            tried => Some(tried.map_err(|e| model::error_chain(&e))),
        }
    });
    tried.join().ok().flatten()
}

fn try_all(bridge: &BridgeName) -> Result<(), NetworkError> {
    let failed = |e| NetworkError::Bridge(bridge.clone(), e);
    rtnetlink::ensure_bridge(bridge.as_str(), bridge_mac(bridge)).map_err(failed)?;
    let port = bridge.host_interface(Vmid::FIRST);
    make_pair(bridge, &port).map_err(|e| NetworkError::Interface(port, e))?;
    let spec = NetworkSpec {
        bridge: bridge.clone(),
        subnet: crate::subnet::choose(&[]).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?,
        run_dir: PathBuf::new(),
        server_cgroup: None,
    };
    let Some(address) = spec.subnet.free_address(&std::collections::BTreeSet::new()) else { return Ok(()) };
    let mac = model::MacAddress([2, 0, 0, 0, 0, 1]);
    let nic = Nic { mac, place: Place::Address(address), is_due: false };
    let Ok(name) = "probe".parse() else { return Ok(()) };
    rules::apply(&spec, std::iter::once(&Endpoint { vmid: Vmid::FIRST, name, nic, forwards: Vec::new() }))
}

/// Both ends in this thread's namespace, which is not the process's.
fn make_pair(bridge: &BridgeName, port: &str) -> io::Result<()> {
    let index = rtnetlink::link_index(bridge.as_str())?;
    let host = VethEnd { name: port.to_owned(), mac: [0xfe, 0, 0, 0, 0, 1] };
    let peer = VethEnd { name: "eth0".into(), mac: [2, 0, 0, 0, 0, 1] };
    let mut message = rtnetlink::veth_message(&host, &peer, index, 1500);
    let here = gettid().as_raw_nonzero().get().to_ne_bytes();
    let at = message.netns_pid_offset;
    message.bytes.get_mut(at..at + here.len()).ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(&here);
    rtnetlink::send(&message.bytes)
}
