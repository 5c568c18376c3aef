//! What `kiste doctor` says about the host.

/// One checked requirement.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// A stable word, such as `idmapped-mounts` or `port`.
    pub check: String,
    /// How it stands.
    pub level: FindingLevel,
    /// What was found, one sentence.
    pub found: String,
    /// The exact mend; empty when all is well.
    pub mend: String,
}

/// How a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingLevel {
    /// Met.
    Ok,
    /// Works with less.
    Warning,
    /// Kiste cannot work so.
    Blocker,
}
