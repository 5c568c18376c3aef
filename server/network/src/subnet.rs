//! Choosing the bridge's network.

use std::{fs, net::Ipv4Addr};

use ipnet::Ipv4Net;
use model::Subnet;

/// The first /24 of 10.77.0.0/16 that touches none of the given networks.
#[must_use]
pub fn choose(taken: &[Ipv4Net]) -> Option<Subnet> {
    (0..=255).find_map(|third| {
        let net = Ipv4Net::new(Ipv4Addr::new(10, 77, third, 1), 24).ok()?;
        find_overlap(net, taken).is_none().then(|| Subnet::try_from(net).ok()).flatten()
    })
}

/// The first of the given networks that has addresses in common with this one.
#[must_use]
pub fn find_overlap(net: Ipv4Net, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    taken.iter().copied().find(|t| t.contains(&net.network()) || net.trunc().contains(&t.network()))
}

/// Networks that the host has a route to, without the default route; `without` leaves out one interface.
#[must_use]
pub fn host_routes(without: &str) -> Vec<Ipv4Net> {
    parse_routes(&fs::read_to_string("/proc/net/route").unwrap_or_default(), without)
}

/// proc_net(5), `route`: interface, destination and mask in the byte order of the machine.
fn parse_routes(text: &str, without: &str) -> Vec<Ipv4Net> {
    let mut routes = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(interface), Some(destination), Some(mask)) = (fields.first(), fields.get(1), fields.get(7))
        else {
            continue;
        };
        let address = |hex: &str| u32::from_str_radix(hex, 16).ok().map(|n| Ipv4Addr::from(n.to_ne_bytes()));
        let (Some(destination), Some(mask)) = (address(destination), address(mask)) else { continue };
        match Ipv4Net::with_netmask(destination, mask) {
            Ok(net) if net.prefix_len() > 0 && *interface != without => routes.push(net),
            _ => {}
        }
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_a_route_touches_is_not_chosen() {
        let nets = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<Ipv4Net>>();
        assert_eq!(choose(&[]).unwrap().to_string(), "10.77.0.1/24");
        assert_eq!(choose(&nets(&["10.77.0.0/24", "10.77.1.128/25"])).unwrap().to_string(), "10.77.2.1/24");
        assert_eq!(choose(&nets(&["10.0.0.0/8"])), None);
    }

    #[test]
    fn the_kernels_route_table_is_read() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            kiste0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\ngarbage\n";
        let routes = parse_routes(text, "kiste0");
        assert_eq!(routes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.168.2.0/24"]);
    }
}
