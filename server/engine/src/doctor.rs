//! Checks of the host, each with the exact mend.

use std::{net::TcpListener, path::Path};

use model::{
    config::Config,
    finding::{Finding, FindingLevel},
};
use store::Store;

/// Tools that nothing goes without, by path, with Debian's package.
const TOOLS: [(&str, &str); 2] = [("/usr/sbin/nft", "nftables"), ("/usr/sbin/dnsmasq", "dnsmasq-base")];

/// Whether an engine holds the instance's port and bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One does.
    Serving,
    /// None does.
    Absent,
}

/// All checks; works without a running engine.
#[must_use]
pub fn findings(config: &Config, engine: Engine) -> Vec<Finding> {
    let mut all = runtime::host::findings();
    all.extend(runtime::host::tried(&config.data_dir));
    all.push(cgroups());
    all.extend(network::probe(&config.bridge).map(network_parts));
    all.extend(TOOLS.map(|(path, package)| tool(path, package, FindingLevel::Blocker)));
    let optional = images::build::TOOLS.into_iter().chain([images::import::TOOL]);
    all.extend(optional.map(|(path, package)| tool(path, package, FindingLevel::Warning)));
    all.push(data_folder(config));
    if engine == Engine::Absent {
        all.push(port(config));
    }
    all.extend(subnet(config));
    all.extend(network::foreign_drops().iter().map(|table| forwarding(config, table)));
    all
}

fn finding(check: &str, level: FindingLevel, found: String, mend: String) -> Finding {
    Finding { check: check.into(), level, found, mend }
}

fn cgroups() -> Finding {
    match runtime::host::cgroup_layout() {
        Some(layout) => finding("cgroups", FindingLevel::Ok, format!("layout {layout}"), String::new()),
        None => finding(
            "cgroups",
            FindingLevel::Blocker,
            "no cgroup v2 tree is mounted".into(),
            "boot with systemd, or mount cgroup2 at /sys/fs/cgroup".into(),
        ),
    }
}

fn tool(path: &str, package: &str, level: FindingLevel) -> Finding {
    if Path::new(path).exists() {
        return finding("tool", FindingLevel::Ok, format!("{path} is there"), String::new());
    }
    finding("tool", level, format!("{path} is missing"), format!("apt install {package}"))
}

fn data_folder(config: &Config) -> Finding {
    let existing = config.data_dir.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let name = storage::filesystem_name(existing).unwrap_or("another");
    let found = format!("{} lies on {name}", config.data_dir.display());
    match name {
        "ext4" | "xfs" | "btrfs" => finding("data-folder", FindingLevel::Ok, found, String::new()),
        "tmpfs" => finding(
            "data-folder",
            FindingLevel::Warning,
            found,
            "it is gone after a reboot: use a disk".into(),
        ),
        _ => finding("data-folder", FindingLevel::Warning, found, "ext4, xfs or btrfs are proved".into()),
    }
}

fn port(config: &Config) -> Finding {
    match TcpListener::bind(config.listen) {
        Ok(_) => finding("port", FindingLevel::Ok, format!("{} is free", config.listen), String::new()),
        Err(error) => finding(
            "port",
            FindingLevel::Warning,
            format!("{} cannot be used: {error}", config.listen),
            "end the other program, or set `listen` in the configuration".into(),
        ),
    }
}

fn network_parts(tried: Result<(), String>) -> Finding {
    match tried {
        Ok(()) => {
            let found = "bridge, interface pair and packet rules work".into();
            finding("network", FindingLevel::Ok, found, String::new())
        }
        Err(error) => finding(
            "network",
            FindingLevel::Blocker,
            error,
            "load the modules bridge, veth, nf_tables, nft_masq and nft_ct, or use a kernel that has them, as Debian's".into(),
        ),
    }
}

fn forwarding(config: &Config, table: &str) -> Finding {
    let bridge = &config.bridge;
    finding(
        "forwarding",
        FindingLevel::Warning,
        format!(
            "the table `{table}` drops what it does not know, so containers have no way out (Docker and ufw do this)"
        ),
        format!(
            "Docker: iptables -I DOCKER-USER -i {bridge} -j ACCEPT; iptables -I DOCKER-USER -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT. ufw: ufw route allow in on {bridge}"
        ),
    )
}

/// The network that the bridge has or will have; `None` while none is chosen.
fn subnet(config: &Config) -> Option<Finding> {
    let kept = || {
        let kept = Store::peek_setting(&config.data_dir.join(crate::DATABASE), crate::SUBNET);
        kept.ok().flatten()?.parse().ok()
    };
    let network = config.subnet.or_else(kept)?.network();
    let routes = network::subnet::host_routes(config.bridge.as_str());
    Some(match network::subnet::find_overlap(network, &routes) {
        None => finding("subnet", FindingLevel::Ok, format!("{network} is free"), String::new()),
        Some(route) => finding(
            "subnet",
            FindingLevel::Blocker,
            format!("{network} overlaps the host's route to {route}"),
            "choose another `subnet` in the configuration".into(),
        ),
    })
}
