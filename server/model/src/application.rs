//! What a template's application needs to be told, where it answers, and how one sees that it is well.
//!
//! A recipe writes it down, the manifest carries it, a container keeps what it was made with. Texts with
//! `{name}` in them are filled in with `{address}`, the container's, and with its parameters.

pub mod inithooks;

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Longest value of a parameter.
const VALUE_MAX: usize = 4096;

/// An application in a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// What its first boot wants to know.
    #[serde(rename = "parameter")]
    pub parameters: Vec<Parameter>,
    /// Where it listens.
    #[serde(rename = "port")]
    pub ports: Vec<Port>,
    /// How one sees that it is well; `None`: init's own word counts.
    pub health: Option<Health>,
    /// How a person gets in; `None`: by the console only.
    pub access: Option<Access>,
    /// Folders that hold what must outlive an upgrade.
    pub data: Vec<String>,
    /// What a template that is made from a container of it leaves behind: paths, or with a slash at the end what
    /// lies below. Its first boot makes it anew. Nothing: there is no second first boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forget: Vec<String>,
    /// Whether other machines must reach it by an address of its own. Left out of manifests that do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lan: Option<LanNeed>,
    /// Whose first boot it is, if not ours. Left out of manifests that do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preseed: Option<Preseed>,
    /// Which older containers it can take over; `None`: none. Left out of manifests that do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
}

/// Which containers of older versions of a template can be brought to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The oldest version whose data it understands, such as `33` or `1.0`.
    pub from: String,
}

/// A first boot of somebody else's, that is told the values in a form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preseed {
    /// TurnKey's, by shell variables in a file: [`inithooks`].
    Inithooks,
}

/// How much an application needs an address of its own in the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LanNeed {
    /// It does not work without.
    Required,
}

/// One thing that the first boot wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// a-z, 0-9 and underscore.
    pub name: String,
    /// What may be in it.
    #[serde(default)]
    pub kind: ParameterKind,
    /// In front of the field.
    pub label: Texts,
    /// Below it.
    #[serde(default)]
    pub help: Texts,
    /// What it is when nothing is given; without one it must be given.
    #[serde(default)]
    pub default: Option<String>,
    /// A value is made up of so many characters when none is given (passwords).
    #[serde(default)]
    pub generate: Option<u8>,
    /// Fewest characters.
    #[serde(default)]
    pub min: usize,
    /// Most characters.
    #[serde(default = "default_max")]
    pub max: usize,
    /// The values to choose from, for [`ParameterKind::Choice`].
    #[serde(default)]
    pub choices: Vec<String>,
}

fn default_max() -> usize {
    200
}

/// What a parameter may hold. All kinds are one line without control characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterKind {
    /// Any characters.
    #[default]
    Text,
    /// A secret: never shown unless asked for, made up when left out.
    Password,
    /// An address of electronic mail.
    Email,
    /// A name for signing in: letters, digits, dot, dash, underscore.
    User,
    /// A DNS name.
    Domain,
    /// An http or https address, or nothing.
    Url,
    /// An IPv4 or IPv6 address, or nothing.
    Address,
    /// A whole number.
    Number,
    /// Yes or no, as `1` and `0`.
    Switch,
    /// One of the given.
    Choice,
}

/// A text in the languages that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// English.
    #[serde(default)]
    pub en: String,
    /// German; empty: as English.
    #[serde(default)]
    pub de: String,
}

/// Where an application listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// What it is for, such as `http`.
    pub name: String,
    /// Its number in the container.
    pub container: u16,
    /// Transport.
    #[serde(default)]
    pub protocol: Transport,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// How one sees that an application is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is tried.
    #[serde(flatten)]
    pub probe: Probe,
    /// So long may the first boot take, seconds.
    #[serde(default = "default_start_timeout")]
    pub start_timeout_s: u32,
}

fn default_start_timeout() -> u32 {
    120
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// An HTTP request from the host.
    Http {
        /// Port in the container.
        port: u16,
        /// Path and query.
        path: String,
        /// Status codes that are good.
        #[serde(default = "default_status")]
        status: Vec<u16>,
        /// What the body must contain: a page may answer 200 and be empty.
        contains: String,
    },
    /// A connection from the host.
    Tcp {
        /// Port in the container.
        port: u16,
    },
    /// A command in the container that must end with 0.
    Command {
        /// The command and its arguments.
        argv: Vec<String>,
    },
}

fn default_status() -> Vec<u16> {
    vec![200]
}

/// How a person gets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Where the browser goes; with `{address}`.
    #[serde(default)]
    pub url: Option<String>,
    /// The user's name; with `{parameter}`.
    #[serde(default)]
    pub user: Option<String>,
    /// The parameter that is the password.
    #[serde(default)]
    pub password: Option<String>,
    /// What to do next.
    #[serde(default)]
    pub next: Texts,
}

/// Values by the names of their parameters.
pub type Values = BTreeMap<String, String>;

impl Texts {
    /// The text in a language by its code.
    #[must_use]
    pub fn get(&self, language: &str) -> &str {
        if language == "de" && !self.de.is_empty() { &self.de } else { &self.en }
    }
}

impl Parameter {
    /// Whether its value is a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind == ParameterKind::Password
    }

    /// Whether a value must be given.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.default.is_none() && self.generate.is_none()
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &str) -> Result<(), Refusal> {
        let name = || self.name.clone();
        let len = value.chars().count();
        let is_open = matches!(self.kind, ParameterKind::Url | ParameterKind::Address);
        if value.is_empty() && (is_open || self.default.as_deref() == Some("")) {
            return Ok(());
        }
        let max = self.max.min(VALUE_MAX);
        if len < self.min.max(1) || len > max || value.len() > VALUE_MAX {
            return Err(Refusal::ParameterLength { name: name(), len, min: self.min.max(1), max });
        }
        if value.chars().any(char::is_control) {
            return Err(Refusal::ParameterControlCharacter { name: name() });
        }
        if self.kind.takes(value, &self.choices) {
            return Ok(());
        }
        let given = if self.is_secret() { "…".to_owned() } else { value.chars().take(80).collect() };
        Err(Refusal::ParameterValue { name: name(), given, kind: self.kind.as_str().to_owned() })
    }
}

impl ParameterKind {
    /// Its name in recipes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Password => "password",
            Self::Email => "email",
            Self::User => "user",
            Self::Domain => "domain",
            Self::Url => "url",
            Self::Address => "address",
            Self::Number => "number",
            Self::Switch => "switch",
            Self::Choice => "choice",
        }
    }

    fn takes(self, value: &str, choices: &[String]) -> bool {
        let domain = |s: &str| s.to_ascii_lowercase().parse::<crate::Hostname>().is_ok();
        let plain = |s: &str, more: &str| {
            s.starts_with(|c: char| c.is_ascii_alphanumeric())
                && s.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        match self {
            Self::Text | Self::Password => true,
            Self::Email => value.split_once('@').is_some_and(|(user, at)| plain(user, ".-_+") && domain(at)),
            Self::User => plain(value, ".-_"),
            Self::Domain => domain(value),
            Self::Url => {
                let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
                rest.is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
            }
            Self::Address => value.parse::<std::net::IpAddr>().is_ok(),
            Self::Number => value.bytes().all(|b| b.is_ascii_digit()) && value.len() <= 10,
            Self::Switch => matches!(value, "0" | "1"),
            Self::Choice => choices.iter().any(|c| c == value),
        }
    }
}

impl Application {
    /// What a template of a container of it says of it. Without [`Application::forget`] the first boot is over for
    /// good: nobody is asked anything, and nobody knows the password.
    #[must_use]
    pub fn of_a_copy(&self) -> Self {
        if !self.forget.is_empty() {
            return self.clone();
        }
        let copy = Self { parameters: Vec::new(), access: None, health: None, preseed: None, ..self.clone() };
        let sound = Self { health: self.health.clone(), ..copy.clone() };
        if sound.fault().is_none() { sound } else { copy }
    }

    /// A parameter by its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// All values that a first boot gets: the given ones, defaults, and what `make` makes up of so many
    /// characters.
    ///
    /// # Errors
    /// A name that is none, a value that does not do, or one that is missing.
    pub fn complete(&self, given: &Values, make: impl Fn(u8) -> String) -> Result<Values, Refusal> {
        if let Some(unknown) = given.keys().find(|name| self.parameter(name).is_none()) {
            let known = self.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "-".to_owned() } else { known };
            return Err(Refusal::NoParameter { name: unknown.clone(), known });
        }
        let mut values = Values::new();
        for parameter in &self.parameters {
            let given = given.get(&parameter.name).filter(|v| !v.is_empty());
            let value = match (given, parameter.generate, &parameter.default) {
                (Some(value), _, _) => value.clone(),
                (None, Some(length), _) => make(length),
                (None, None, Some(default)) => default.clone(),
                (None, None, None) => {
                    return Err(Refusal::ParameterMissing { name: parameter.name.clone() });
                }
            };
            parameter.check(&value)?;
            values.insert(parameter.name.clone(), value);
        }
        Ok(values)
    }

    /// What is wrong with it as a part of a recipe; `None`: nothing.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let leads_astray = |p: &&String| !p.starts_with('/') || p.split('/').any(|part| part == "..");
        if let Some(bad) = self.forget.iter().find(leads_astray) {
            return Some(format!("forget holds {bad:?}: it must be a path from / without .."));
        }
        if let Some(Upgrade { from }) = &self.upgrade {
            let is_number = |n: &str| !n.is_empty() && n.len() <= 9 && n.bytes().all(|b| b.is_ascii_digit());
            if !from.split('.').all(is_number) || from.len() > 32 {
                return Some(format!("upgrade.from: {from:?} is no version such as 33 or 1.0"));
            }
            if self.data.is_empty() {
                return Some("upgrade: what outlives one must be in data".to_owned());
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for parameter in &self.parameters {
            let Parameter { name, label, default, generate, choices, kind, .. } = parameter;
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_lowercase())
                || !name.chars().all(plain)
                || name.len() > 32
                || name == "address"
            {
                return Some(format!("parameter {name:?}: a name is 1 to 32 of a-z, 0-9 and underscore"));
            }
            if !names.insert(name) {
                return Some(format!("parameter {name} is there twice"));
            }
            if label.en.is_empty() {
                return Some(format!("parameter {name} has no English label"));
            }
            if let Some(Err(error)) = default.as_deref().map(|d| parameter.check(d)) {
                return Some(format!("the default of parameter {name}: {error}"));
            }
            if generate.is_some_and(|n| !(12..=128).contains(&n)) {
                return Some(format!("parameter {name}: generate is 12 to 128"));
            }
            if (*kind == ParameterKind::Choice) == choices.is_empty() {
                return Some(format!("parameter {name}: choices belong to the kind choice, and it to them"));
            }
        }
        let access = self.access.as_ref();
        let password = access.and_then(|a| a.password.as_deref());
        if let Some(name) = password.filter(|n| !self.parameter(n).is_some_and(Parameter::is_secret)) {
            return Some(format!("access.password: {name:?} is no parameter of kind password"));
        }
        let user = access.and_then(|a| a.user.as_deref()).unwrap_or_default();
        let url = access.and_then(|a| a.url.as_deref()).unwrap_or_default();
        let contains = match self.health.as_ref().map(|h| &h.probe) {
            Some(Probe::Http { path, .. }) if !path.starts_with('/') => {
                return Some("health.http.path: it begins with a slash".to_owned());
            }
            Some(Probe::Http { contains, .. }) if contains.is_empty() => {
                return Some("health.http.contains: a page may answer 200 and be empty".to_owned());
            }
            Some(Probe::Command { argv }) if argv.is_empty() => {
                return Some("health.command.argv: it names no command".to_owned());
            }
            Some(Probe::Http { contains, .. }) => contains,
            _ => "",
        };
        for text in [user, url, contains] {
            let unknown = placeholders(text).find(|n| *n != "address" && self.parameter(n).is_none());
            if let Some(name) = unknown {
                return Some(format!("{{{name}}} is neither a parameter nor {{address}}"));
            }
            if placeholders(text).any(|n| self.parameter(n).is_some_and(Parameter::is_secret)) {
                return Some(format!("{text:?} would show a secret"));
            }
        }
        let bad = self.data.iter().find(|p| !p.starts_with('/') || p.contains("..") || p.len() < 2);
        bad.map(|path| format!("data: {path:?} is no absolute path"))
    }
}

/// The names in braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// Fills a text in. A name that has no value stays as it is.
#[must_use]
pub fn fill(text: &str, address: &str, values: &Values) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let value = part.split_once('}').and_then(|(name, rest)| {
            let value = if name == "address" { Some(address) } else { values.get(name).map(String::as_str) };
            value.map(|v| (v, rest))
        });
        match value {
            Some((value, rest)) => {
                filled.push_str(value);
                filled.push_str(rest);
            }
            None => {
                let _ = write!(filled, "{{{part}");
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(toml: &str) -> Application {
        toml::from_str(toml).unwrap()
    }

    const BLOG: &str = r#"
        data = ["/var/lib/blog"]
        [[parameter]]
        name = "title"
        label = { en = "Title", de = "Titel" }
        default = "My blog"
        [[parameter]]
        name = "mail"
        kind = "email"
        label = { en = "Mail" }
        [[parameter]]
        name = "secret"
        kind = "password"
        label = { en = "Password" }
        generate = 20
        min = 12
        [health]
        http = { port = 80, path = "/", contains = "{title}" }
        [access]
        url = "http://{address}/"
        password = "secret"
        [upgrade]
        from = "1.0"
    "#;

    #[test]
    fn values_are_completed_and_checked() {
        let blog = application(BLOG);
        assert_eq!(blog.fault(), None);
        let make = |n: u8| "x".repeat(n.into());
        let given = |pairs: &[(&str, &str)]| -> Values {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let complete = |pairs: &[(&str, &str)]| blog.complete(&given(pairs), make);
        let all = complete(&[("mail", "anna@example.org"), ("title", "Ännas \"Blog\"")]).unwrap();
        assert_eq!(all["title"], "Ännas \"Blog\"");
        assert_eq!(all["secret"].len(), 20);
        assert!(matches!(complete(&[]), Err(Refusal::ParameterMissing { .. })));
        assert!(matches!(complete(&[("color", "red")]), Err(Refusal::NoParameter { .. })));
        assert!(matches!(complete(&[("mail", "anna")]), Err(Refusal::ParameterValue { .. })));
        let long = "x".repeat(300);
        for title in ["a\nb", &long] {
            assert!(complete(&[("mail", "a@b.c"), ("title", title)]).is_err(), "{title}");
        }
        // A refusal does not tell the secret.
        let refused = complete(&[("mail", "a@b.c"), ("secret", "hunter2")]).unwrap_err().to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
    }

    #[test]
    fn texts_are_filled_in_once() {
        let values = Values::from([("title".to_owned(), "{address}".to_owned())]);
        assert_eq!(
            fill("http://{address}/?t={title}&x={y}{", "10.0.0.2", &values),
            "http://10.0.0.2/?t={address}&x={y}{"
        );
    }

    #[test]
    fn faults_of_recipes_are_named() {
        for (from, to) in [
            ("name = \"title\"", "name = \"Title\""),
            ("name = \"title\"", "name = \"mail\""),
            ("password = \"secret\"", "password = \"title\""),
            ("contains = \"{title}\"", "contains = \"\""),
            ("contains = \"{title}\"", "contains = \"{nothing}\""),
            ("contains = \"{title}\"", "contains = \"{secret}\""),
            ("path = \"/\"", "path = \"x\""),
            ("\"/var/lib/blog\"", "\"/var/../etc\""),
            ("generate = 20", "generate = 3"),
            ("from = \"1.0\"", "from = \"1.x\""),
            ("from = \"1.0\"", "from = \"\""),
            ("data = [\"/var/lib/blog\"]", "data = []"),
        ] {
            let bad = BLOG.replacen(from, to, 1);
            assert!(application(&bad).fault().is_some(), "{to}");
        }
    }
}
