//! A LAN of a test's own: a bridge of the host, in which the host itself has no address, with a router in a network
//! namespace on it. It has 192.0.2.1 there and gives 192.0.2.100 to 150 away.

use std::process::{Child, Command, Stdio};

use crate::{Instance, run};

/// The router of a LAN, with its DHCP server, on a bridge of the host.
#[derive(Debug)]
pub struct Router {
    /// Name of the bridge, and of the namespace on it.
    pub bridge: String,
    server: Child,
}

impl Router {
    /// Makes bridge, namespace and server, named after the instance.
    #[must_use]
    pub fn make(k: &Instance) -> Self {
        let bridge = format!("{}b", k.name());
        for words in [
            format!("link add {bridge} type bridge"),
            format!("link set {bridge} up"),
            format!("netns add {bridge}"),
            format!("link add {bridge}v type veth peer name lan0 netns {bridge}"),
            format!("link set {bridge}v master {bridge} up"),
            format!("-n {bridge} addr add 192.0.2.1/24 dev lan0"),
            format!("-n {bridge} link set lan0 up"),
        ] {
            let done = run("ip", &words.split(' ').collect::<Vec<_>>());
            assert_eq!(done.code, 0, "ip {words}: {}", done.err);
        }
        let leases = format!("--dhcp-leasefile={}", k.dir().join("lan-leases").display());
        let server = Command::new("ip")
            .args(["netns", "exec", &bridge, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"])
            .args(["--interface=lan0", "--bind-interfaces", "--port=0", "--no-ping", "--dhcp-authoritative"])
            .args(["--dhcp-range=192.0.2.100,192.0.2.150,1h", "--user=root", "--pid-file=", &leases])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { bridge, server }
    }

    /// Runs a command in the router; gives its output.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> String {
        run("ip", &[&["netns", "exec", &self.bridge], words].concat()).out
    }

    /// What is at an address, asked from the router.
    #[must_use]
    pub fn get(&self, url: &str) -> String {
        self.run(&["curl", "-s", "-m5", "--noproxy", "*", url])
    }

    /// Ports of the bridge.
    #[must_use]
    pub fn ports(&self) -> Vec<String> {
        let links = run("ip", &["-o", "link", "show", "master", &self.bridge]).out;
        let name = |line: &str| line.split(": ").nth(1).map(|n| n.split('@').next().unwrap().to_owned());
        links.lines().filter_map(name).collect()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        run("ip", &["netns", "del", &self.bridge]);
        run("ip", &["link", "del", &self.bridge]);
    }
}
