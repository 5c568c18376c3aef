//! A machine beside the node: a network namespace, joined to the host by a veth pair.

use crate::{Instance, run};

/// That machine. It reaches the host's addresses through [`Outside::node`].
#[derive(Debug)]
pub struct Outside {
    name: String,
    number: u32,
}

impl Outside {
    /// Makes it, named and addressed after the instance, so that tests run side by side.
    #[must_use]
    pub fn make(k: &Instance) -> Self {
        let number = k.name()[2..].split('x').next().unwrap().parse().unwrap();
        let made = Self { name: format!("{}o", k.name()), number };
        let (name, node, own) = (&made.name, made.node(), made.own());
        for words in [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name out netns {name}"),
            format!("addr add {node}/30 dev {name}"),
            format!("link set {name} up"),
            format!("-n {name} addr add {own}/30 dev out"),
            format!("-n {name} link set out up"),
            format!("-n {name} route add default via {node}"),
        ] {
            let done = run("ip", &words.split(' ').collect::<Vec<_>>());
            assert_eq!(done.code, 0, "ip {words}: {}", done.err);
        }
        made
    }

    /// The host's address on the way there.
    #[must_use]
    pub fn node(&self) -> String {
        format!("198.18.{}.1", self.number)
    }

    /// Its own address.
    #[must_use]
    pub fn own(&self) -> String {
        format!("198.18.{}.2", self.number)
    }

    /// A port of the node that no other test forwards.
    #[must_use]
    pub fn port(&self, nth: u32) -> u32 {
        20_000 + self.number * 100 + nth
    }

    /// Runs a command there; gives its output.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> String {
        run("ip", &[&["netns", "exec", &self.name], words].concat()).out
    }

    /// What curl(1) gets there.
    #[must_use]
    pub fn curl(&self, words: &[&str]) -> String {
        self.run(&[&["curl", "-s", "-m", "20", "--noproxy", "*"], words].concat())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        run("ip", &["link", "del", &self.name]);
        run("ip", &["netns", "del", &self.name]);
    }
}
