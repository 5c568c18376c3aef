//! Container templates and the images made from them.

use std::str::FromStr;

use crate::{Application, Bytes, Digest, Refusal, file_template::FileTemplate, text::text_type};

/// A container template's name, such as `debian-12`: a-z, 0-9, dot and dash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateName(String);

impl TemplateName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TemplateName {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ok = (1..=64).contains(&s.len())
            && s.bytes().all(|b| plain(b) || b == b'-' || b == b'.')
            && s.bytes().next().is_some_and(plain)
            && !s.contains("..");
        if ok { Ok(Self(s.to_owned())) } else { Err(Refusal::NotATemplateName { given: s.to_owned() }) }
    }
}

text_type!(TemplateName);

/// An image by the digest of its manifest, and its layers, base first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ImageRef {
    /// SHA-256 of the manifest's bytes.
    pub digest: Digest,
    /// Layers by the SHA-256 of their uncompressed archive, base first.
    pub layers: Vec<Digest>,
}

/// The first entry of a template archive, `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version, now 1.
    pub format: u32,
    /// The template's name.
    pub name: TemplateName,
    /// Version of the content, such as `20261123`.
    pub version: String,
    /// One sentence for the gallery.
    pub description: String,
    /// Debian's name of the architecture, `amd64`.
    pub architecture: String,
    /// Unix seconds of the build.
    pub built: i64,
    /// Layers, base first.
    pub layers: Vec<ManifestLayer>,
    /// Installed packages as `name version`.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The name for people; empty: as `name`.
    #[serde(default)]
    pub title: String,
    /// The least memory that a container of it works with.
    #[serde(default)]
    pub memory_min: Bytes,
    /// What runs in it.
    #[serde(default)]
    pub application: Application,
    /// Digest of the recipe that it was built from, with all that it stands on.
    #[serde(default)]
    pub recipe: Option<Digest>,
    /// What was fetched from vendors for it, apart from packages.
    #[serde(default)]
    pub sources: Vec<SourceRecord>,
    /// Files that each new container gets. Left out of manifests that have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileTemplate>,
}

/// A vendor's file that went into a build.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// From where, as the recipe says it.
    pub url: String,
    /// What it was.
    pub sha256: Digest,
    /// Fingerprint of the key that had signed it, if the recipe asked for one.
    #[serde(default)]
    pub signed_by: Option<String>,
}

/// One layer in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestLayer {
    /// SHA-256 of the uncompressed archive.
    pub digest: Digest,
    /// Size of the uncompressed archive.
    pub size: Bytes,
}

/// An installed template as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContainerTemplate {
    /// Its name.
    pub name: TemplateName,
    /// Version of the content.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// Where it came from.
    pub origin: TemplateOrigin,
    /// The image containers will run on.
    pub image: ImageRef,
    /// Bytes on disk of its layers, unpacked.
    pub size: Bytes,
    /// Installed packages as `name version`.
    pub packages: Vec<String>,
    /// Unix seconds of the installation.
    pub installed: i64,
    /// The name for people; empty: as `name`.
    #[serde(default)]
    pub title: String,
    /// The least memory that a container of it works with.
    #[serde(default)]
    pub memory_min: Bytes,
    /// What runs in it.
    #[serde(default)]
    pub application: Application,
    /// Digest of the recipe that it was built from, with all that it stands on.
    #[serde(default)]
    pub recipe: Option<Digest>,
    /// What was fetched from vendors for it, apart from packages.
    #[serde(default)]
    pub sources: Vec<SourceRecord>,
    /// Files that each new container gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileTemplate>,
}

/// Where a template came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateOrigin {
    /// Built here from a recipe.
    Built,
    /// Imported from a file.
    Imported,
    /// Downloaded from a source.
    Downloaded,
    /// Made from a container here.
    Container,
}

/// A recipe that can be built: `container-templates/NAME/recipe.toml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecipeSummary {
    /// Its name, the folder's.
    pub name: TemplateName,
    /// The name for people, such as `Debian 12`.
    pub title: String,
    /// The recipe's own version; the date of a build is added to it.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// The least memory a container of it works with.
    pub memory_min: Bytes,
    /// The least disk space.
    pub disk_min: Bytes,
    /// What runs in it.
    #[serde(default)]
    pub application: Application,
}
