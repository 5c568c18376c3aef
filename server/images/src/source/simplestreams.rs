//! The list of the image servers of LXC, Incus and LXD: simplestreams' `streams/v1/images.json`.
//!
//! Of each product the newest version with a whole root file system is offered, as `root.tar.xz`, else as squashfs.
//! The metadata beside it, of either name, holds texts for files of new containers; it is offered with it. Both are
//! checked by their own SHA-256, so that the sum over the two of them together would prove nothing more.

use std::collections::BTreeMap;

use model::{
    Bytes, Checksum, TemplateName,
    source::{Offer, OfferFile, Source},
};
use serde::Deserialize;

use super::{SourceError, is_plain, is_relative};

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
    #[serde(default)]
    requirements: BTreeMap<String, String>,
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
    // Containers of ours never are what some old images need.
    let fits = |p: &Product| {
        p.arch == architecture && p.requirements.get("privileged").is_none_or(|needed| needed != "true")
    };
    let fitting = list.products.into_values().filter(fits);
    let mut offers: Vec<Offer> = fitting.filter_map(|p| offer(&p, source)).collect();
    offers.sort_by(|a, b| a.name.cmp(&b.name));
    offers.dedup_by(|a, b| a.name == b.name);
    Ok(offers)
}

fn offer(product: &Product, source: &Source) -> Option<Offer> {
    // Versions are dates; the map has them in order.
    let (version, items, root) =
        product.versions.iter().rev().find_map(|(version, v)| {
            Some((version, &v.items, find(&v.items, ["root.tar.xz", "squashfs"])?))
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
        url: format!("{}{}", source.url, root.path),
        size: Some(Bytes(root.size)),
        checksum: root.sha256.parse::<Checksum>().ok()?,
        metadata: find(items, ["incus.tar.xz", "lxd.tar.xz"]).and_then(|item| file(item, source)),
    })
}

fn file(item: &Item, source: &Source) -> Option<OfferFile> {
    let checksum = item.sha256.parse().ok()?;
    Some(OfferFile { url: format!("{}{}", source.url, item.path), size: Bytes(item.size), checksum })
}

/// The first usable item of one of these types, the better type first.
fn find<'a>(items: &'a BTreeMap<String, Item>, ftypes: [&str; 2]) -> Option<&'a Item> {
    ftypes.iter().find_map(|ftype| items.values().find(|i| i.ftype == *ftype && is_usable(i)))
}

/// Below the source's address, with everything that is needed to check it.
fn is_usable(item: &Item) -> bool {
    item.size > 0 && is_relative(&item.path)
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
            "20261123_05:24": {"items": {"root.vcdiff": {"ftype": "squashfs.vcdiff", "path": "images/y/rootfs.vcdiff", "sha256": "SUM", "size": 8}}}}},
        "ubuntu:noble:amd64:default": {"arch": "amd64", "os": "Ubuntu", "release": "noble", "variant": "default", "versions": {
            "20261120": {"items": {"root.tar.xz": {"ftype": "root.tar.xz", "path": "images/u/rootfs.tar.xz", "sha256": "SUM", "size": 7}}},
            "20261121": {"items": {
                "lxd.tar.xz": {"ftype": "lxd.tar.xz", "path": "images/u/lxd.tar.xz", "sha256": "SUM", "size": 600},
                "root.squashfs": {"ftype": "squashfs", "path": "images/u/rootfs.squashfs", "sha256": "SUM", "size": 8}}}}},
        "centos:7:amd64:default": {"arch": "amd64", "os": "CentOS", "release": "7", "variant": "default", "requirements": {"privileged": "true"}, "versions": {
            "20261120": {"items": {"root.tar.xz": {"ftype": "root.tar.xz", "path": "images/c/rootfs.tar.xz", "sha256": "SUM", "size": 7}}}}},
        "alpine:3.22:amd64:cloud": {"arch": "amd64", "os": "Alpine", "release": "3.22", "variant": "cloud", "versions": {
            "20261122": {"items": {"root.tar.xz": {"ftype": "root.tar.xz", "path": "images/alpine/rootfs.tar.xz", "sha256": "SUM", "size": 5}}}}},
        "alpine:3.22:arm64:default": {"arch": "arm64", "os": "Alpine", "release": "3.22", "versions": {}}}}"#;

    fn source() -> Source {
        let url = "https://images.example/".into();
        Source {
            name: "lxc".parse().unwrap(),
            kind: SourceKind::Simplestreams,
            url,
            trust: Trust::Tls,
            key: None,
        }
    }

    fn read(text: &str) -> Result<Vec<Offer>, SourceError> {
        offers(text.replace("SUM", &"ab".repeat(32)).as_bytes(), &source(), "amd64")
    }

    #[test]
    fn the_newest_whole_root_file_system_of_each_product_is_offered() {
        let all = read(LIST).unwrap();
        let seen: Vec<_> =
            all.iter().map(|o| (o.name.as_str(), o.version.as_str(), o.size.unwrap().0)).collect();
        assert_eq!(
            seen,
            [
                ("alpine-3.22-cloud", "20261122", 5),
                ("debian-trixie", "20261122_05:24", 90_000_001),
                ("ubuntu-noble", "20261121", 8)
            ]
        );
        let metadata: Vec<_> = all.iter().map(|o| o.metadata.as_ref().map(|m| m.url.as_str())).collect();
        let below = "https://images.example/images/";
        assert_eq!(
            metadata,
            [None, Some(&*format!("{below}x/incus.tar.xz")), Some(&*format!("{below}u/lxd.tar.xz"))]
        );
        assert_eq!(all[2].url, format!("{below}u/rootfs.squashfs"));
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
            assert_eq!(
                all.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(),
                ["debian-trixie", "ubuntu-noble"],
                "{to}"
            );
        }
        for text in ["", "[]", "{}", &LIST.replace("products:1.0", "products:2.0"), &LIST[..LIST.len() / 2]] {
            assert!(read(text).is_err());
        }
        assert!(read(&LIST.replace("\"size\": 5}", "\"size\": -5}")).is_err());
    }
}
