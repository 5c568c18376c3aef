//! Proxmox VE's list of appliances, `aplinfo.dat`: its own system images, and TurnKey's appliances.
//!
//! Stanzas as in deb822(5): `Key: value` lines, a continuation line begins with a blank, an empty line ends a
//! stanza. The list tells no sizes, and of checksums only SHA-512 counts here. It is fetched as `.gz`; its detached
//! OpenPGP signature `.asc` is over the uncompressed bytes, and checked before anything of them is read.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use model::{
    Bytes, Checksum, TemplateName,
    source::{Offer, Source},
};

use super::{SourceError, is_relative};
use crate::unpack::decompress;

/// What is added to the list's address for the list as it is fetched.
pub const COMPRESSED: &str = ".gz";
/// What is added to the list's address for its signature.
pub const SIGNATURE: &str = ".asc";
/// Most stanzas that are looked at.
const STANZAS_MAX: usize = 20_000;

/// The list's bytes, which the signature is over.
///
/// # Errors
/// [`SourceError::Format`] when it is damaged, or of more than `max` bytes.
pub fn decompressed(bytes: Vec<u8>, max: Bytes) -> Result<Vec<u8>, SourceError> {
    let format = |e: std::io::Error| SourceError::Format(e.to_string());
    let mut text = Vec::new();
    decompress(Cursor::new(bytes)).map_err(format)?.take(max.0 + 1).read_to_end(&mut text).map_err(format)?;
    if text.len() as u64 > max.0 {
        return Err(SourceError::Format(format!("it is larger than {max}")));
    }
    Ok(text)
}

/// What a list offers to machines of this architecture (Debian's name of it).
///
/// # Errors
/// [`SourceError::Format`] when it is no such list; single stanzas that are not understood are left out.
pub fn offers(bytes: &[u8], source: &Source, architecture: &str) -> Result<Vec<Offer>, SourceError> {
    let text = std::str::from_utf8(bytes).map_err(|e| SourceError::Format(e.to_string()))?;
    let stanzas = stanzas(text)?;
    let fitting = stanzas.iter().filter(|s| {
        s.get("type").is_some_and(|t| t == "lxc") && s.get("architecture").is_some_and(|a| a == architecture)
    });
    let mut offers: Vec<Offer> = fitting.filter_map(|s| offer(s, source)).collect();
    // Of several versions the last one in the list counts.
    offers.reverse();
    offers.sort_by(|a, b| a.name.cmp(&b.name));
    offers.dedup_by(|a, b| a.name == b.name);
    Ok(offers)
}

/// Keys in small letters, and their values, line by line.
type Stanza = BTreeMap<String, String>;

fn stanzas(text: &str) -> Result<Vec<Stanza>, SourceError> {
    let mut all = Vec::new();
    for (number, block) in text.split("\n\n").enumerate() {
        if number >= STANZAS_MAX {
            return Err(SourceError::Format(format!("it has more than {STANZAS_MAX} stanzas")));
        }
        let mut stanza = Stanza::new();
        let mut last: Option<String> = None;
        for line in block.lines().filter(|l| !l.trim().is_empty()) {
            let strange = || SourceError::Format(format!("{:?}", line.chars().take(80).collect::<String>()));
            if line.starts_with([' ', '\t']) {
                let value = last.as_ref().and_then(|key| stanza.get_mut(key)).ok_or_else(strange)?;
                value.push('\n');
                value.push_str(line.trim());
                continue;
            }
            let (key, value) = line.split_once(':').ok_or_else(strange)?;
            let key = key.trim().to_ascii_lowercase();
            stanza.insert(key.clone(), value.trim().to_owned());
            last = Some(key);
        }
        if !stanza.is_empty() {
            all.push(stanza);
        }
    }
    Ok(all)
}

fn offer(stanza: &Stanza, source: &Source) -> Option<Offer> {
    let get = |key: &str| stanza.get(key).map(String::as_str);
    let name: TemplateName = get("package")?.to_ascii_lowercase().replace('_', "-").parse().ok()?;
    let version = get("version").filter(|v| super::is_plain(v))?;
    let checksum = get("sha512sum")?.parse().ok()?;
    let location = get("location")?;
    let url = if location.starts_with("http://") || location.starts_with("https://") {
        crate::fetch::check_url(location).is_ok().then(|| location.to_owned())?
    } else {
        is_relative(location).then(|| format!("{}{location}", source.folder()))?
    };
    // The first line is a headline.
    let description = get("description")?;
    let title = description.lines().next().unwrap_or_default();
    let body = description.split_once('\n').map_or(title, |(_, body)| body).replace('\n', " ");
    let is_text = |text: &str| !text.is_empty() && text.len() <= 1000 && !text.chars().any(char::is_control);
    let is_shown = matches!(checksum, Checksum::Sha512(_)) && is_text(title) && is_text(&body);
    is_shown.then(|| Offer {
        title: title.to_owned(),
        description: body,
        name,
        version: version.to_owned(),
        url,
        size: None,
        metadata: None,
        checksum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::source::{SourceKind, Trust};
    use std::io::Write;

    /// As TurnKey's and Proxmox' lists are written.
    const LIST: &str = "Package: pve-web-news\nDescription: News displayed on the admin interface\n  <b>Welcome</b>\n\n\
        Package: turnkey-wordpress\nVersion: 18.0-1\nType: lxc\nOS: debian-12\nSection: turnkeylinux\nArchitecture: amd64\n\
        Location: http://mirror.example.org/proxmox/debian-12-turnkey-wordpress_18.0-1_amd64.tar.gz\n\
        Infopage: http://example.org/wordpress\nManageUrl: http://__IPADDRESS__/\nsha512sum: SUM\n\
        Description: TurnKey WordPress\n TurnKey WordPress - Blog\n Publishing Platform\n\n\
        Package: debian-12-standard\nVersion: 12.12-1\nType: lxc\nOS: debian-12\nSection: system\nArchitecture: amd64\n\
        Location: system/debian-12-standard_12.12-1_amd64.tar.zst\nmd5sum: 00\nsha512sum: SUM\nDescription: Debian 12 Bookworm (standard)\n\n\
        Package: old\nVersion: 1\nType: openvz\nArchitecture: amd64\nLocation: x\nsha512sum: SUM\nDescription: Old\n\n\
        Package: arm\nVersion: 1\nType: lxc\nArchitecture: arm64\nLocation: x\nsha512sum: SUM\nDescription: Arm\n";

    fn source() -> Source {
        Source {
            name: "turnkey".parse().unwrap(),
            kind: SourceKind::Aplinfo,
            url: "https://releases.example.org/pve/aplinfo.dat".into(),
            trust: Trust::Openpgp("0A".repeat(20)),
            key: None,
        }
    }

    fn read(text: &str) -> Result<Vec<Offer>, SourceError> {
        offers(text.replace("SUM", &"ab".repeat(64)).as_bytes(), &source(), "amd64")
    }

    #[test]
    fn appliances_are_offered_with_their_checksum_and_without_a_size() {
        let all = read(LIST).unwrap();
        let seen: Vec<_> =
            all.iter().map(|o| (o.name.as_str(), o.version.as_str(), o.title.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("debian-12-standard", "12.12-1", "Debian 12 Bookworm (standard)"),
                ("turnkey-wordpress", "18.0-1", "TurnKey WordPress")
            ]
        );
        let pve = "https://releases.example.org/pve/system/debian-12-standard_12.12-1_amd64.tar.zst";
        assert_eq!(all[0].url, pve);
        assert!(all[1].url.starts_with("http://mirror.example.org/"));
        assert_eq!(all[1].description, "TurnKey WordPress - Blog Publishing Platform");
        assert!(all.iter().all(|o| o.size.is_none() && matches!(o.checksum, Checksum::Sha512(_))));
        let newer = format!("{LIST}\n{}", LIST.replace("12.12-1", "12.13-1"));
        assert_eq!(read(&newer).unwrap()[0].version, "12.13-1");
    }

    #[test]
    fn hostile_stanzas_are_left_out_and_hostile_lists_refused() {
        for (from, to) in [
            ("system/debian", "../debian"),
            ("system/debian", "/system/debian"),
            ("system/debian", "file:///system/debian"),
            ("system/debian", "https://a:b@example.org/debian"),
            ("debian-12-standard\n", "../../etc\n"),
            ("12.12-1\n", "../12\n"),
            ("md5sum: 00\nsha512sum: SUM", "md5sum: 00"),
            ("md5sum: 00\nsha512sum: SUM", "sha512sum: abc"),
            ("md5sum: 00\nsha512sum: SUM", "sha512sum: 00"),
            ("Debian 12 Bookworm", "Debian \u{7} Bookworm"),
        ] {
            let text = LIST.replacen(from, to, 1);
            assert_ne!(text, LIST, "{from}");
            let names: Vec<_> = read(&text).unwrap().into_iter().map(|o| o.name.to_string()).collect();
            assert_eq!(names, ["turnkey-wordpress"], "{to}");
        }
        for text in ["<html>", " x", "Package: a\nVersion\n"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(offers(&[0xff, 0xfe], &source(), "amd64").is_err());
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn a_list_is_decompressed_up_to_a_bound() {
        let packed = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(decompressed(packed(b"abc"), Bytes(3)).unwrap(), b"abc");
        assert!(decompressed(packed(b"abcd"), Bytes(3)).is_err());
        assert!(decompressed(packed(&[0; 1 << 20]), Bytes(1 << 10)).is_err());
        let mut torn = packed(b"abc");
        torn.truncate(12);
        assert!(decompressed(torn, Bytes(3)).is_err());
    }
}
