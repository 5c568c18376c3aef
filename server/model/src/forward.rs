//! A port of the node that leads into a container.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Refusal, application::Transport};

/// `8081:80/tcp`: port of the node, port of the container, transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Port on every address of the node.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// Transport.
    #[serde(default)]
    pub protocol: Transport,
}

impl FromStr for Forward {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || Refusal::NotAForward { given: s.chars().take(80).collect() };
        let (ports, protocol) = match s.trim().split_once('/') {
            None => (s.trim(), Transport::Tcp),
            Some((ports, "tcp")) => (ports, Transport::Tcp),
            Some((ports, "udp")) => (ports, Transport::Udp),
            Some(_) => return Err(err()),
        };
        let (host, container) = ports.split_once(':').ok_or_else(err)?;
        let port = |text: &str| {
            let is_plain = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|n| is_plain && *n > 0).ok_or_else(err)
        };
        Ok(Self { host: port(host)?, container: port(container)?, protocol })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.container, self.protocol.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_read_and_printed() {
        for (text, shown) in
            [("8081:80", "8081:80/tcp"), ("8081:80/tcp", "8081:80/tcp"), ("53:53/udp", "53:53/udp")]
        {
            assert_eq!(text.parse::<Forward>().unwrap().to_string(), shown);
        }
        for bad in
            ["", "80", "0:80", "80:0", "+80:80", "65536:80", "80:80/sctp", "80:80/tcp/x", "a:b", "1:2:3"]
        {
            assert!(bad.parse::<Forward>().is_err(), "{bad}");
        }
    }
}
