//! The list of the image servers of LXC, Incus and LXD: simplestreams' `streams/v1/images.json`.
//!
//! Of each product the newest version with a whole root file system as `root.tar.xz` is offered: it is one
//! file, and what the metadata beside it would change (host name, hosts) is put in by us at each start anyway.

use std::collections::BTreeMap;

use model::{
    Bytes, Checksum, TemplateName,
    source::{Offer, Source},
};
use serde::Deserialize;

use super::SourceError;

/// Where the list lies below the source's address.
pub const FILE: &str = "streams/v1/images.json";
/// Most products that are looked at.
const PRODUCTS_MAX: usize = 20_000;

#[derive(Deserialize)]
struct List {
    datatype: String,
    format: String,
    products: BTreeMap<String, Product>,
}

#[derive(Deserialize)]
struct Product {
    arch: String,
    os: String,
    release: String,
    #[serde(default)]
    release_title: String,
    #[serde(default)]
    variant: String,
    versions: BTreeMap<String, Version>,
}

#[derive(Deserialize)]
struct Version {
    items: BTreeMap<String, Item>,
}

#[derive(Deserialize)]
struct Item {
    ftype: String,
    #[serde(default)]
    sha256: String,
    #[serde(default)]
    size: u64,
    path: String,
}

/// What a list offers to machines of this architecture (Debian's name of it).
///
/// # Errors
/// [`SourceError::Format`] when it is no such list; single products that are not understood are left out.
pub fn offers(bytes: &[u8], source: &Source, architecture: &str) -> Result<Vec<Offer>, SourceError> {
    let list: List = serde_json::from_slice(bytes).map_err(|e| SourceError::Format(e.to_string()))?;
    if list.format != "products:1.0"
        || list.datatype != "image-downloads"
        || list.products.len() > PRODUCTS_MAX
    {
        return Err(SourceError::Format(format!("{} {}", list.datatype, list.format)));
    }
    let fitting = list.products.into_values().filter(|p| p.arch == architecture);
    let mut offers: Vec<Offer> = fitting.filter_map(|p| offer(&p, source)).collect();
    offers.sort_by(|a, b| a.name.cmp(&b.name));
    offers.dedup_by(|a, b| a.name == b.name);
    Ok(offers)
}

fn offer(product: &Product, source: &Source) -> Option<Offer> {
    // Versions are dates; the map has them in order.
    let (version, item) = product.versions.iter().rev().find_map(|(version, v)| {
        let item = v.items.values().find(|i| i.ftype == "root.tar.xz" && is_usable(i))?;
        Some((version, item))
    })?;
    let has_variant = !matches!(product.variant.as_str(), "" | "default");
    let variant = if has_variant { format!("-{}", product.variant) } else { String::new() };
    let name = format!("{}-{}{variant}", product.os, product.release).to_ascii_lowercase();
    let name: TemplateName = name.replace([' ', '_'], "-").parse().ok()?;
    let release = if product.release_title.is_empty() { &product.release } else { &product.release_title };
    let title = format!("{} {release}{}", product.os, variant.replace('-', " "));
    if !is_plain(version) || title.chars().any(char::is_control) || title.len() > 200 {
        return None;
    }
    Some(Offer {
        description: format!("{title}, as its image server has it"),
        name,
        title,
        version: version.clone(),
        url: format!("{}{}", source.url, item.path),
        size: Bytes(item.size),
        checksum: item.sha256.parse::<Checksum>().ok()?,
    })
}

fn is_plain(version: &str) -> bool {
    (1..=64).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        && !version.contains("..")
}

/// Below the source's address, with everything that is needed to check it.
fn is_usable(item: &Item) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+~%".contains(&b))
    };
    item.size > 0 && item.path.len() < 1024 && item.path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::source::{SourceKind, Trust};

    const LIST: &str = r#"{"content_id": "images", "datatype": "image-downloads", "format": "products:1.0", "products": {
        "debian:trixie:amd64:default": {"aliases": "debian/trixie", "arch": "amd64", "os": "Debian", "release": "trixie",
            "release_title": "trixie", "requirements": {}, "variant": "default", "versions": {
            "20261120_05:24": {"items": {"root.tar.xz": {"ftype": "root.tar.xz", "path": "images/debian/trixie/20261120_05:24/rootfs.tar.xz",
                "sha256": "SUM", "size": 90000000}}},
            "20261122_05:24": {"items": {
                "incus.tar.xz": {"ftype": "incus.tar.xz", "combined_sha256": "SUM", "path": "images/x/incus.tar.xz", "sha256": "SUM", "size": 900},
                "root.squashfs": {"ftype": "squashfs", "path": "images/debian/trixie/20261122_05:24/rootfs.squashfs", "sha256": "SUM", "size": 80000000},
                "root.tar.xz": {"ftype": "root.tar.xz", "path": "images/debian/trixie/20261122_05:24/rootfs.tar.xz", "sha256": "SUM", "size": 90000001}}},
            "20261123_05:24": {"items": {"root.squashfs": {"ftype": "squashfs", "path": "images/y/rootfs.squashfs", "sha256": "SUM", "size": 8}}}}},
        "alpine:3.22:amd64:cloud": {"arch": "amd64", "os": "Alpine", "release": "3.22", "variant": "cloud", "versions": {
            "20261122": {"items": {"root.tar.xz": {"ftype": "root.tar.xz", "path": "images/alpine/rootfs.tar.xz", "sha256": "SUM", "size": 5}}}}},
        "alpine:3.22:arm64:default": {"arch": "arm64", "os": "Alpine", "release": "3.22", "versions": {}}}}"#;

    fn source() -> Source {
        let url = "https://images.example/".into();
        Source { name: "lxc".parse().unwrap(), kind: SourceKind::Simplestreams, url, trust: Trust::Tls }
    }

    fn read(text: &str) -> Result<Vec<Offer>, SourceError> {
        offers(text.replace("SUM", &"ab".repeat(32)).as_bytes(), &source(), "amd64")
    }

    #[test]
    fn the_newest_whole_root_file_system_of_each_product_is_offered() {
        let all = read(LIST).unwrap();
        let seen: Vec<_> = all.iter().map(|o| (o.name.as_str(), o.version.as_str(), o.size.0)).collect();
        assert_eq!(
            seen,
            [("alpine-3.22-cloud", "20261122", 5), ("debian-trixie", "20261122_05:24", 90_000_001)]
        );
        assert_eq!(all[1].url, "https://images.example/images/debian/trixie/20261122_05:24/rootfs.tar.xz");
        assert_eq!(all[1].title, "Debian trixie");
    }

    #[test]
    fn hostile_products_are_left_out_and_hostile_lists_refused() {
        for (from, to) in [
            ("images/alpine/rootfs.tar.xz", "../../../etc/shadow"),
            ("images/alpine/rootfs.tar.xz", "https://evil.example/x"),
            ("images/alpine/rootfs.tar.xz", "//evil.example/x"),
            ("images/alpine/rootfs.tar.xz", "images/a b"),
            ("\"os\": \"Alpine\"", "\"os\": \"../Alpine\""),
            ("\"os\": \"Alpine\"", "\"os\": \"Al\\u0007pine\""),
            ("\"20261122\"", "\"../x\""),
            ("\"size\": 5}", "\"size\": 0}"),
        ] {
            let text = LIST.replacen(from, to, 1);
            assert_ne!(text, LIST);
            let all = read(&text).unwrap();
            assert_eq!(all.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["debian-trixie"], "{to}");
        }
        for text in ["", "[]", "{}", &LIST.replace("products:1.0", "products:2.0"), &LIST[..LIST.len() / 2]] {
            assert!(read(text).is_err());
        }
        assert!(read(&LIST.replace("\"size\": 5}", "\"size\": -5}")).is_err());
    }
}
