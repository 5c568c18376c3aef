//! Names that people give: container name, host name, node name. RFC 1123 labels.
//!
//! They end in file names, DNS entries and pages, so they are checked here and nowhere else.

use std::str::FromStr;

use crate::{Refusal, text::text_type};

/// A node-wide unique container name: one lower-case DNS label, not all digits, not `new`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(String);

/// A host name as the container sees it: one or more labels; the first is the container's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(String);

/// The node's name as it stands in task ids: letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

fn check_label(s: &str) -> Result<(), Refusal> {
    if s.is_empty() || s.len() > 63 {
        return Err(Refusal::NameLength { given: s.to_owned(), len: s.len(), max: 63 });
    }
    let inner = s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !inner || s.starts_with('-') || s.ends_with('-') {
        return Err(Refusal::NotALabel { given: s.to_owned() });
    }
    Ok(())
}

impl ContainerName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerName {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        check_label(s)?;
        if s.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::AllDigits { given: s.to_owned() });
        }
        if s == "new" || s == "localhost" {
            return Err(Refusal::ReservedName { given: s.to_owned() });
        }
        Ok(Self(s.to_owned()))
    }
}

impl Hostname {
    /// The whole name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first label parsed as a container name.
    ///
    /// # Errors
    /// When the first label is all digits or reserved.
    pub fn container_name(&self) -> Result<ContainerName, Refusal> {
        self.0.split('.').next().unwrap_or_default().parse()
    }
}

impl FromStr for Hostname {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.is_empty() || s.len() > 253 {
            return Err(Refusal::NameLength { given: s.to_owned(), len: s.len(), max: 253 });
        }
        s.split('.').try_for_each(check_label)?;
        Ok(Self(s.to_owned()))
    }
}

impl From<ContainerName> for Hostname {
    fn from(name: ContainerName) -> Self {
        Self(name.0)
    }
}

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = Refusal;
    /// Takes the first label of a host name; capitals are folded.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let label = s.split('.').next().unwrap_or_default().to_ascii_lowercase();
        check_label(&label)?;
        Ok(Self(label))
    }
}

text_type!(ContainerName);
text_type!(Hostname);
text_type!(NodeName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names_are_single_labels_that_are_no_numbers() {
        for good in ["web", "a", "web-1", "1web", &"a".repeat(63)] {
            assert!(good.parse::<ContainerName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Web",
            "-web",
            "web-",
            "we_b",
            "web.lan",
            "100",
            "new",
            "../x",
            "a\n",
            "wéb",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hostname_keeps_its_dots_and_names_the_container_by_its_first_label() {
        let host: Hostname = "blog.example.org".parse().unwrap();
        assert_eq!(host.container_name().unwrap().as_str(), "blog");
        assert!("a..b".parse::<Hostname>().is_err());
    }

    #[test]
    fn names_survive_json() {
        let name: ContainerName = serde_json::from_str("\"web\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"web\"");
        assert!(serde_json::from_str::<ContainerName>("\"../web\"").is_err());
    }
}
