//! The node's configuration file, TOML. Every key has a default; unknown keys are errors.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use thiserror::Error;

use crate::{
    BridgeName, Hostname, NodeName, Subnet,
    idmap::{IdRange, IdRangeError},
    source::{Source, SourceName},
};

/// Where the file lies when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/kiste/kiste.toml";

/// The file as written.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    node: Option<String>,
    listen: SocketAddr,
    data_dir: PathBuf,
    run_dir: PathBuf,
    bridge: BridgeName,
    subnet: String,
    id_base: u32,
    id_count: u32,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    hosts: Vec<String>,
    recipes: Option<PathBuf>,
    mirror: Option<String>,
    source_mirrors: BTreeMap<String, String>,
    #[serde(rename = "source")]
    sources: Option<Vec<Source>>,
    serve_templates: bool,
}

impl Default for File {
    fn default() -> Self {
        Self {
            node: None,
            listen: SocketAddr::from(([0, 0, 0, 0], 8006)),
            data_dir: "/var/lib/kiste".into(),
            run_dir: "/run/kiste".into(),
            bridge: DEFAULT_BRIDGE
                .parse()
                .unwrap_or_else(|_| unreachable!("the default bridge name is valid")),
            subnet: "auto".into(),
            id_base: 1_879_048_192,
            id_count: 268_304_384,
            tls_cert: None,
            tls_key: None,
            hosts: Vec::new(),
            recipes: None,
            mirror: None,
            source_mirrors: BTreeMap::new(),
            sources: None,
            serve_templates: false,
        }
    }
}

const DEFAULT_BRIDGE: &str = "kiste0";

/// The checked configuration of one instance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// The node's name, by default the host's.
    pub node: NodeName,
    /// Where the web process listens.
    pub listen: SocketAddr,
    /// Database, layers, containers; 0700 root.
    pub data_dir: PathBuf,
    /// Sockets; 0700 root.
    pub run_dir: PathBuf,
    /// The instance's bridge and identity.
    pub bridge: BridgeName,
    /// The bridge's network; `None`: chosen at first start and then kept.
    pub subnet: Option<Subnet>,
    /// Host ids for containers.
    pub ids: IdRange,
    /// Certificate and key files; `None`: self-signed.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Names beside the node's own under which the web may be asked for.
    pub hosts: Vec<String>,
    /// Folder of recipes; `None`: beside the binary or the installed one.
    pub recipes: Option<PathBuf>,
    /// Debian mirror for template builds; `None`: mmdebstrap's own default.
    pub mirror: Option<String>,
    /// Beginnings of the URLs in recipes' `[[source]]`, and what takes their place.
    pub source_mirrors: Vec<(String, String)>,
    /// Where templates can be downloaded; without any `[[source]]` the usual ones.
    pub sources: Vec<Source>,
    /// Whether the web gives this node's signed index and archives to anybody who asks.
    pub serve_templates: bool,
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No TOML, an unknown key, or a value of the wrong kind; the text names line and key.
    #[error("the configuration is not valid: {0}")]
    Toml(Box<toml::de::Error>),
    /// `node`, or the host's name when it is not given.
    #[error("node name is not usable (set `node` in the configuration)")]
    Node(#[source] crate::Refusal),
    /// `subnet`.
    #[error("subnet is neither `auto` nor usable")]
    Subnet(#[source] crate::network::ParseSubnetError),
    /// `id_base`, `id_count`.
    #[error("id range is not usable")]
    Ids(#[source] IdRangeError),
    /// Only one of `tls_cert` and `tls_key`.
    #[error("tls_cert and tls_key go together: give both or neither")]
    Tls,
    /// A path that is not absolute.
    #[error("{key} must be an absolute path, {path} is not")]
    RelativePath {
        /// The key.
        key: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// A name in `hosts` that is none.
    #[error("hosts: {0:?} is no host name (write it without port, such as kiste.example.org)")]
    Host(String),
    /// `mirror` with characters that have no place in an address.
    #[error("mirror {0:?} is no http or https address")]
    Mirror(String),
    /// A beginning or its replacement in `source_mirrors`.
    #[error("source_mirrors: {0:?} is no http or https address")]
    SourceMirror(String),
    /// A `[[source]]`.
    #[error("source {name}: {why}")]
    Source {
        /// Its name.
        name: SourceName,
        /// What is wrong with it.
        why: String,
    },
}

/// It becomes part of commands and requests.
fn is_web_address(url: &str) -> bool {
    (url.starts_with("http://") || url.starts_with("https://"))
        && url.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\'')
}

impl Config {
    /// Parses the file's text; `hostname` serves where `node` is not given. Empty text is all defaults.
    ///
    /// # Errors
    /// [`ConfigError`] says which key and why.
    pub fn parse(text: &str, hostname: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|e| ConfigError::Toml(Box::new(e)))?;
        let node = file.node.as_deref().unwrap_or(hostname).parse().map_err(ConfigError::Node)?;
        let subnet = match file.subnet.as_str() {
            "auto" => None,
            cidr => Some(cidr.parse().map_err(ConfigError::Subnet)?),
        };
        let ids = IdRange::new(file.id_base, file.id_count).map_err(ConfigError::Ids)?;
        let tls = match (file.tls_cert, file.tls_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(ConfigError::Tls),
        };
        for (key, path) in [("data_dir", &file.data_dir), ("run_dir", &file.run_dir)] {
            if !path.is_absolute() {
                return Err(ConfigError::RelativePath { key, path: path.clone() });
            }
        }
        if let Some(name) = file.hosts.iter().find(|n| n.to_ascii_lowercase().parse::<Hostname>().is_err()) {
            return Err(ConfigError::Host(name.clone()));
        }
        if let Some(bad) = file.mirror.iter().find(|url| !is_web_address(url)) {
            return Err(ConfigError::Mirror(bad.clone()));
        }
        let source_mirrors: Vec<_> = file.source_mirrors.into_iter().collect();
        if let Some(bad) =
            source_mirrors.iter().flat_map(|(from, to)| [from, to]).find(|url| !is_web_address(url))
        {
            return Err(ConfigError::SourceMirror(bad.clone()));
        }
        let sources = file.sources.unwrap_or_else(Source::defaults);
        for (number, source) in sources.iter().enumerate() {
            let is_double = sources[..number].iter().any(|s| s.name == source.name);
            let double = is_double.then(|| "there are two of that name".to_owned());
            if let Some(why) = source.fault().or(double) {
                return Err(ConfigError::Source { name: source.name.clone(), why });
            }
        }
        Ok(Self {
            node,
            listen: file.listen,
            data_dir: file.data_dir,
            run_dir: file.run_dir,
            bridge: file.bridge,
            subnet,
            ids,
            tls,
            hosts: file.hosts,
            recipes: file.recipes,
            mirror: file.mirror,
            source_mirrors,
            sources,
            serve_templates: file.serve_templates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults() {
        let config = Config::parse("", "box.lan").unwrap();
        assert_eq!(config.node.as_str(), "box");
        assert_eq!(config.listen.port(), 8006);
        assert_eq!(config.bridge.as_str(), "kiste0");
        assert_eq!(config.subnet, None);
    }

    #[test]
    fn wrong_values_are_named() {
        for bad in [
            "lissen = 1",
            "listen = 8006",
            "bridge = \"Br 0\"",
            "subnet = \"10.0.0.0/24\"",
            "id_base = 5",
            "tls_cert = \"/c\"",
            "data_dir = \"x\"",
            "node = \"a b\"",
            "hosts = [\"kiste.example.org:8006\"]",
            "mirror = \"file:///etc\"",
            "[[source]]\nname = \"a\"\nkind = \"index\"\nurl = \"https://a.example/\"\ntrust = \"tls\"",
            "[[source]]\nname = \"a\"\nkind = \"ftp\"\nurl = \"https://a.example/\"\ntrust = \"tls\"",
            "[source_mirrors]\n\"https://vendor.example/\" = \"/srv\"",
        ] {
            assert!(Config::parse(bad, "box").is_err(), "{bad}");
        }
    }
}
