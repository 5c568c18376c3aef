//! How a container is reached, on the create form: from this node only, by ports of the node, or at an address of
//! its own in the LAN. What the other choices hold is not read.

use model::{
    Forward, Net0, Nic,
    nic::{Lan, LanIp, LinkName, StaticIp},
};
use protocol::engine::view::NodeView;

use crate::{form::Form, pages::Frame};

/// What a form says about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// `None`: on the instance's own bridge.
    pub(super) net0: Option<Net0>,
    pub(super) forwards: Vec<Forward>,
}

/// What the form is filled with at first.
pub(super) fn defaults(
    node: Option<&NodeView>,
    forward: String,
    is_lan_needed: bool,
) -> Vec<(&'static str, String)> {
    let bridge = node.and_then(|n| n.bridges.first()).map(ToString::to_string).unwrap_or_default();
    let choice = if is_lan_needed { "lan" } else { "node" };
    vec![("network", choice.to_owned()), ("forwards", forward), ("lan_bridge", bridge)]
}

/// Reads it; what is wrong is noted at its field.
pub(super) fn read(form: &mut Form) -> Reach {
    match form.get("network") {
        "node" => Reach::default(),
        "lan" => Reach { net0: read_lan(form), forwards: Vec::new() },
        // A form without the choice says it by its forwards.
        choice => {
            let is_chosen = choice == "forward";
            let forwards = read_forwards(form);
            if is_chosen && form.get("forwards").is_empty() {
                form.reject_missing("forwards");
            }
            Reach { net0: None, forwards }
        }
    }
}

fn read_lan(form: &mut Form) -> Option<Net0> {
    if form.get("lan_bridge").is_empty() {
        form.reject_missing("lan_bridge");
        return None;
    }
    let bridge = form.parse::<LinkName>("lan_bridge");
    let ip = match LanIp::parse(form.get("lan_ip"), form.get("lan_gateway"), "") {
        Ok(ip) => Some(ip),
        Err(refusal) => {
            let field = refusal.field().unwrap_or("lan_ip").to_owned();
            form.refuse(&field, &refusal);
            None
        }
    };
    Some(Net0 { mac: None, lan: Some(Lan { bridge: bridge?, ip: ip? }) })
}

/// Forwards apart by blanks or commas.
pub(super) fn read_forwards(form: &mut Form) -> Vec<Forward> {
    let text = form.get("forwards").replace(',', " ");
    let mut all = Vec::new();
    for word in text.split_whitespace() {
        match word.parse() {
            Ok(forward) => all.push(forward),
            Err(refusal) => form.refuse("forwards", &refusal),
        }
    }
    all
}

/// Where a container is plugged in, for people.
pub(super) fn describe(f: &Frame, nic: Option<&Nic>) -> String {
    let Some(nic) = nic else { return "–".to_owned() };
    let text = match nic.lan() {
        None => f.t("interface-own"),
        Some(Lan { bridge, ip: LanIp::Dhcp }) => {
            format!("{} · {}", f.t_with("interface-lan", bridge.as_str()), f.t("interface-dhcp"))
        }
        Some(Lan { bridge, ip: LanIp::Static(StaticIp { address, gateway, .. }) }) => {
            let gateway = gateway.map(|g| format!(" → {g}")).unwrap_or_default();
            format!("{} · {address}{gateway}", f.t_with("interface-lan", bridge.as_str()))
        }
    };
    if nic.is_due { format!("{text} · {}", f.t("interface-due")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    fn form(fields: &[(&str, &str)]) -> Form {
        let all: Vec<(&str, String)> = fields.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        Form::filled(Language::En, &all)
    }

    #[test]
    fn only_the_chosen_way_is_read() {
        let all = |choice| {
            form(&[
                ("network", choice),
                ("forwards", "8081:80"),
                ("lan_bridge", "br0"),
                ("lan_ip", "192.168.1.5/24"),
                ("lan_gateway", "192.168.1.1"),
            ])
        };
        assert_eq!(read(&mut all("node")), Reach::default());
        for choice in ["forward", ""] {
            let reach = read(&mut all(choice));
            assert_eq!((reach.net0, reach.forwards.len()), (None, 1));
        }
        let Reach { net0, forwards } = read(&mut all("lan"));
        let wanted = "name=eth0,bridge=br0,ip=192.168.1.5/24,gw=192.168.1.1";
        assert_eq!((net0.unwrap().to_string().as_str(), forwards.len()), (wanted, 0));
    }

    #[test]
    fn what_is_wrong_stands_at_its_field() {
        let wrong = |fields: &[(&str, &str)], field: &str| {
            let mut form = form(fields);
            let _ = read(&mut form);
            assert!(!form.error(field).is_empty(), "{fields:?}");
        };
        wrong(&[("network", "forward")], "forwards");
        wrong(&[("network", "lan")], "lan_bridge");
        wrong(&[("network", "lan"), ("lan_bridge", "br0,rate=5")], "lan_bridge");
        wrong(&[("network", "lan"), ("lan_bridge", "br0"), ("lan_ip", "192.168.1.5")], "lan_ip");
        wrong(
            &[
                ("network", "lan"),
                ("lan_bridge", "br0"),
                ("lan_ip", "10.0.0.5/24"),
                ("lan_gateway", "10.0.1.1"),
            ],
            "lan_gateway",
        );
    }
}
