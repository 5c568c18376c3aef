//! Bad input: one clear line, exit code 1 or 2, and nothing left.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, io::Write, path::PathBuf};

use kiste_tests_system::{Instance, names, run};
use tar::{Builder, EntryType, Header};

#[test]
fn bad_options_are_refused_and_leave_nothing() {
    let Some(mut k) = Instance::start(6) else { return };
    k.import_debian();
    k.ok(&["create", "150", "debian", "--name", "taken", "--memory", "64"]);
    let create = |rest: &[&str]| {
        let mut words = vec!["create", "debian", "--name", "bad"];
        words.extend(rest);
        k.refused(&words)
    };
    assert!(k.refused(&["create", "no-such", "--name", "bad"]).contains("no installed template"));
    assert!(k.refused(&["create", "150", "debian", "--name", "bad"]).contains("150 is taken"));
    assert!(k.refused(&["create", "debian", "--name", "taken"]).contains("taken is taken"));
    assert!(k.refused(&["create", "debian", "--name", "new"]).contains("reserved"));
    assert!(create(&["--memory", "15"]).contains("at least 16 MiB"));
    assert!(create(&["--memory", "99T"]).contains("more than this node has"));
    assert!(create(&["--cpulimit", "5000"]).contains("out of range"));
    assert!(create(&["--cores", "4096"]).contains("out of range"));
    assert_eq!(k.kiste(&["create", "debian", "--name", "Not_A_Label"]).code, 2);
    assert_eq!(k.kiste(&["create", "7", "debian", "--name", "bad"]).code, 1);
    assert!(k.refused(&["start", "nobody"]).contains("no container nobody"));
    assert!(k.refused(&["stop", "taken"]).contains("is stopped"));
    assert!(k.refused(&["serve"]).contains("another `kiste serve`"));
    let rows: serde_json::Value = serde_json::from_str(&k.ok(&["list", "--json"])).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(names(&k.dir().join("data/containers")), ["150"]);
    k.end_serve("TERM");
    assert!(k.refused(&["list"]).contains("not running"));
    k.serve();
    k.finish();
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// A name written into the header as it is, past the builder's own checks.
fn raw_entry(builder: &mut Builder<Vec<u8>>, name: &[u8], mut header: Header) {
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
}

fn archive(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().unwrap()
}

fn hostile_archives() -> Vec<(&'static str, Vec<u8>)> {
    let dir = || header(EntryType::Directory, 0);
    let file = || header(EntryType::Regular, 0);
    let link = |to: &str| {
        let mut h = header(EntryType::Symlink, 0);
        h.set_link_name(to).unwrap();
        h
    };
    let with = |f: fn(&mut Header)| {
        let mut h = file();
        f(&mut h);
        h
    };
    vec![
        ("absolute name", archive(|b| raw_entry(b, b"/etc/x", file()))),
        ("leads out", archive(|b| raw_entry(b, b"a/../../x", file()))),
        ("a device", archive(|b| raw_entry(b, b"srv/sda", header(EntryType::Block, 0)))),
        ("id 70000", archive(|b| raw_entry(b, b"x", with(|h| h.set_uid(70_000))))),
        (
            "goes through a link",
            archive(|b| {
                raw_entry(b, b"a", link("/tmp"));
                raw_entry(b, b"a/x", file());
            }),
        ),
        (
            "as different things",
            archive(|b| {
                raw_entry(b, b"a/", dir());
                raw_entry(b, b"a", link("/tmp"));
            }),
        ),
        ("deletion mark", archive(|b| raw_entry(b, b"etc/.wh.passwd", file()))),
        ("unknown kind", archive(|b| raw_entry(b, b"x", header(EntryType::new(b'Z'), 0)))),
        (
            "damaged or cut off",
            archive(|b| {
                b.append_data(&mut header(EntryType::Regular, 5), "x", &b"hello"[..]).unwrap();
            })[..600]
                .to_vec(),
        ),
        ("damaged or cut off", Vec::new()),
        // 35 TB in half a KiB.
        ("refused as a bomb", archive(|b| raw_entry(b, b"x", header(EntryType::Regular, 1 << 45)))),
        (
            "leads out",
            archive(|b| {
                let mut h = header(EntryType::Link, 0);
                h.set_link_name_literal(b"../../etc/shadow").unwrap();
                raw_entry(b, b"x", h);
            }),
        ),
        (
            "goes through a link",
            archive(|b| {
                let mut h = header(EntryType::Link, 0);
                h.set_link_name("nothing").unwrap();
                raw_entry(b, b"x", h);
            }),
        ),
        ("which templates must not have", archive(|b| pax(b, "SCHILY.xattr.trusted.overlay.opaque", "y"))),
        ("damaged or cut off", archive(|b| raw_pax(b, b"99 path=x\n"))),
        ("too long, too deep", archive(|b| pax(b, "path", &"a/".repeat(3000)))),
        ("damaged or cut off", archive(|b| raw_entry(b, b"x", header(EntryType::XHeader, 1 << 40)))),
        ("the digest of a layer is not the one in its manifest", own_archive(&"0".repeat(64))),
        ("no root file system", archive(|b| raw_entry(b, b"x", file()))),
    ]
}

/// An entry with an extended header in front (pax(1)).
fn raw_pax(b: &mut Builder<Vec<u8>>, records: &[u8]) {
    let mut h = header(EntryType::XHeader, records.len() as u64);
    h.set_path("pax").unwrap();
    h.set_cksum();
    b.append(&h, records).unwrap();
    raw_entry(b, b"x", header(EntryType::Regular, 0));
}

fn pax(b: &mut Builder<Vec<u8>>, key: &str, value: &str) {
    // The length counts its own digits.
    let rest = format!(" {key}={value}\n");
    let length = (rest.len()..).find(|n| rest.len() + n.to_string().len() == *n).unwrap();
    raw_pax(b, format!("{length}{rest}").as_bytes());
}

/// An archive of our own format, whose only layer is named after a digest that it may not have.
fn own_archive(digest: &str) -> Vec<u8> {
    let layer = archive(|b| raw_entry(b, b"etc/", header(EntryType::Directory, 0)));
    let manifest = serde_json::json!({
        "format": 1, "name": "own", "version": "1", "description": "", "architecture": "amd64", "built": 0,
        "layers": [{ "digest": digest, "size": layer.len() }],
    });
    let manifest = manifest.to_string();
    archive(|b| {
        let mut entry = |name: &str, data: &[u8]| {
            b.append_data(&mut header(EntryType::Regular, data.len() as u64), name, data).unwrap();
        };
        entry("manifest.json", manifest.as_bytes());
        entry(&format!("layers/{digest}.tar"), &layer);
    })
}

#[test]
fn hostile_archives_are_refused_and_leave_nothing() {
    let Some(k) = Instance::start(7) else { return };
    let path: PathBuf = k.dir().join("hostile.tar");
    for (why, bytes) in hostile_archives() {
        fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        let line = k.refused(&["template", "import", path.to_str().unwrap(), "--name", "bad"]);
        assert!(line.contains(why), "{why}: {line}");
        for folder in ["staging", "layers"] {
            assert_eq!(names(&k.dir().join("data").join(folder)), Vec::<String>::new(), "{why}");
        }
    }
    assert_eq!(k.ok(&["template", "list", "--json"]), "[]");
    k.finish();
}

#[test]
fn every_compression_is_taken_and_what_was_cut_off_is_refused() {
    let Some(k) = Instance::start(65) else { return };
    let plain = k.dir().join("root.tar");
    let bytes = archive(|b| {
        raw_entry(b, b"etc/", header(EntryType::Directory, 0));
        let noise: Vec<u8> =
            (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        b.append_data(&mut header(EntryType::Regular, noise.len() as u64), "srv/noise", &noise[..]).unwrap();
        b.append_data(&mut header(EntryType::Regular, 0), "sbin/init", std::io::empty()).unwrap();
    });
    fs::write(&plain, bytes).unwrap();
    for (tool, suffix) in [("xz", "xz"), ("gzip", "gz"), ("zstd", "zst")] {
        assert_eq!(run(tool, &["-kq", plain.to_str().unwrap()]).code, 0);
        let packed = k.dir().join(format!("root.tar.{suffix}"));
        k.ok(&["template", "import", packed.to_str().unwrap(), "--name", suffix]);
        let whole = fs::read(&packed).unwrap();
        fs::write(&packed, &whole[..whole.len() - 2000]).unwrap();
        let line = k.refused(&["template", "import", packed.to_str().unwrap(), "--name", "cut"]);
        assert!(line.contains("damaged or cut off"), "{suffix}: {line}");
    }
    // Each is the same tree, and lies there once.
    assert_eq!(names(&k.dir().join("data/layers")).len(), 1);
    // A little archive that would never end: zeros, packed four thousand to one, against the disk's room.
    let bomb = k.dir().join("bomb.tar.zst");
    let script = format!("(printf ''; head -c 3000000000 /dev/zero) | zstd -q -o {}", bomb.display());
    assert_eq!(run("sh", &["-c", &script]).code, 0);
    assert!(fs::metadata(&bomb).unwrap().len() < 1 << 20);
    let line = k.refused(&["template", "import", bomb.to_str().unwrap(), "--name", "bomb"]);
    assert!(
        line.contains("no root file system") || line.contains("damaged") || line.contains("bomb"),
        "{line}"
    );
    assert_eq!(names(&k.dir().join("data/staging")), Vec::<String>::new());
    k.finish();
}

#[test]
fn a_full_disk_stops_an_import_and_nothing_is_left() {
    let Some(k) = Instance::start(12) else { return };
    let archive = std::env::var("KISTE_TEST_ARCHIVE").unwrap();
    let staging = k.dir().join("data/staging");
    let staging = staging.to_str().unwrap();
    assert_eq!(run("mount", &["-t", "tmpfs", "-o", "size=40m,mode=700", "none", staging]).code, 0);
    let line = k.refused(&["template", "import", &archive, "--name", "debian"]);
    let left = names(&k.dir().join("data/staging"));
    assert_eq!(run("umount", &[staging]).code, 0);
    assert!(line.contains("the disk is full"), "{line}");
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(names(&k.dir().join("data/layers")), Vec::<String>::new());
    // With room again the same archive goes in.
    k.import_debian();
    k.finish();
}

#[test]
fn a_missing_kernel_feature_is_named_with_its_mend() {
    let Some(mut k) = Instance::start(18) else { return };
    k.end_serve("TERM");
    let (kiste, dir) = (std::env::var("KISTE_BIN").unwrap(), k.dir().display().to_string());
    for (setting, value, mend) in [
        ("sys/user/max_user_namespaces", "0", "set user.max_user_namespaces above 0"),
        ("sys/kernel/osrelease", "5.10.0-8-amd64", "install a kernel of 6.1 or newer"),
        ("sys/kernel/seccomp/actions_avail", "allow", "CONFIG_SECCOMP_FILTER"),
        ("filesystems", "ext4", "load the module `overlay`"),
    ] {
        // A view of the host whose kernel says so.
        let view = format!("echo {value} >{dir}/value && mount --bind {dir}/value /proc/{setting}");
        for verb in ["serve", "doctor"] {
            let line = format!("{view} && exec {kiste} --config {dir}/kiste.toml {verb}");
            let done = run("unshare", &["-m", "sh", "-c", &line]);
            assert_eq!(done.code, 1, "{verb}: {done:?}");
            assert!(done.err.contains(mend) || done.out.contains(mend), "{verb}: {done:?}");
        }
        assert_eq!(k.traces(), Vec::<String>::new());
    }
    // This host has all of it; trying it leaves nothing.
    let findings = k.ok(&["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_str(&findings).unwrap();
    for check in ["overlay", "seccomp", "id-mapped-mounts", "controllers", "network"] {
        let is_it = |f: &&serde_json::Value| f["check"] == check;
        let found = findings.as_array().unwrap().iter().find(is_it);
        assert_eq!(found.map(|f| &f["level"]), Some(&"ok".into()), "{check}: {found:?}");
    }
    assert_eq!(k.traces(), Vec::<String>::new());
    k.serve();
    k.finish();
}

#[test]
fn a_missing_tool_is_named_with_its_package() {
    let Some(k) = Instance::start(13) else { return };
    let dir = k.dir().display();
    let text = fs::read_to_string(k.dir().join("kiste.toml")).unwrap();
    let other = text.replace("/data\"", "/other\"").replace("/run\"", "/other-run\"");
    let other =
        other.replace("bridge = \"kt", "bridge = \"kn").replace("subnet = \"10.113", "subnet = \"10.213");
    fs::write(k.dir().join("other.toml"), other).unwrap();
    for (tool, package) in [("nft", "nftables"), ("dnsmasq", "dnsmasq-base")] {
        // A view of the host without that one program.
        let kiste = std::env::var("KISTE_BIN").unwrap();
        let line = format!(
            "mkdir -p {dir}/{tool}/u {dir}/{tool}/w && mknod {dir}/{tool}/u/{tool} c 0 0 && \
             mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir={dir}/{tool}/u,workdir={dir}/{tool}/w /usr/sbin && \
             exec {kiste} --config {dir}/other.toml serve"
        );
        let done = run("unshare", &["-m", "sh", "-c", &line]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains(package), "{done:?}");
        let bridge = k.name().replace("kt", "kn");
        assert!(!run("ip", &["-o", "link"]).out.contains(&bridge));
        assert!(!run("nft", &["list", "tables"]).out.contains(&bridge));
    }
    k.finish();
}

#[test]
fn a_create_that_fails_at_any_step_leaves_nothing_and_can_be_repeated() {
    let Some(mut k) = Instance::start(67) else { return };
    k.import_debian();
    let data = |name: &str| k.dir().join("data").join(name);
    let create = ["create", "300", "debian", "--name", "web", "--memory", "128"];
    let nothing_left = |k: &Instance, step: &str| {
        assert_eq!(k.ok(&["list", "--json"]), "[]", "{step}");
        for folder in ["containers", "trash"] {
            assert_eq!(names(&k.dir().join("data").join(folder)), Vec::<String>::new(), "{step}");
        }
        for file in ["dhcp-hosts", "hosts"] {
            assert_eq!(fs::read_to_string(k.dir().join("run/dnsmasq").join(file)).unwrap(), "", "{step}");
        }
    };
    // Layer: something is in its place.
    fs::write(data("containers").join("300"), "").unwrap();
    let refused = k.refused(&create);
    assert!(refused.contains("300"), "{refused}");
    let _ = fs::remove_file(data("containers").join("300"));
    nothing_left(&k, "layer");

    // Network: its file cannot be written, nor can it be taken back; the next start does that.
    let hosts = k.dir().join("run/dnsmasq/hosts");
    fs::remove_file(&hosts).unwrap();
    fs::create_dir_all(hosts.join("in the way")).unwrap();
    let refused = k.refused(&create);
    assert!(refused.contains("hosts"), "{refused}");
    fs::remove_dir_all(&hosts).unwrap();
    k.end_serve("TERM");
    k.serve();
    nothing_left(&k, "network");

    // Settings: the tree has no place for them.
    let path = k.dir().join("bare.tar");
    let bytes = archive(|b| {
        raw_entry(b, b"etc/", header(EntryType::Directory, 0));
        b.append_data(&mut header(EntryType::Regular, 0), "sbin/init", std::io::empty()).unwrap();
    });
    fs::write(&path, bytes).unwrap();
    k.ok(&["template", "import", path.to_str().unwrap(), "--name", "bare"]);
    let mut bare = k.command(&["create", "300", "bare", "--name", "web", "--password-stdin"]);
    let mut bare =
        bare.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    bare.stdin.take().unwrap().write_all(b"a horse, a battery\n").unwrap();
    let done = bare.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("set the root password"), "{said}");
    nothing_left(&k, "settings");

    k.ok(&create);
    k.ok(&["destroy", "web"]);
    nothing_left(&k, "destroy");
    k.finish();
}

#[test]
fn a_container_whose_init_does_not_do_says_so() {
    let Some(k) = Instance::start(8) else { return };
    let path = k.dir().join("root.tar");
    for (name, init, why) in
        [("none", None, "has no init"), ("noexec", Some((0o644, "#!/bin/sh\n")), "cannot be executed")]
    {
        let bytes = archive(|b| {
            raw_entry(b, b"etc/", header(EntryType::Directory, 0));
            b.append_data(&mut header(EntryType::Regular, 0), "bin/sh", std::io::empty()).unwrap();
            if let Some((mode, text)) = init {
                let mut h = header(EntryType::Regular, text.len() as u64);
                h.set_mode(mode);
                b.append_data(&mut h, "sbin/init", text.as_bytes()).unwrap();
            }
        });
        fs::write(&path, bytes).unwrap();
        k.ok(&["template", "import", path.to_str().unwrap(), "--name", name]);
        let line = k.refused(&["create", name, "--name", name, "--start"]);
        assert!(line.contains(why), "{line}");
        assert_eq!(k.status(name)["status"], "failed");
        k.ok(&["destroy", name]);
    }
    // One that ends at once: it began, so the start is done; the end is told with its exit code.
    k.import_debian();
    k.ok(&["create", "debian", "--name", "brief", "--memory", "256", "--start"]);
    assert_eq!(k.boot("brief"), "running");
    assert_eq!(k.inside("brief", "ln -sf /bin/false /sbin/init && echo done"), "done");
    k.ok(&["stop", "brief"]);
    let _ = k.kiste(&["start", "brief"]);
    k.wait_status("brief", "failed");
    let reason = k.status("brief")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("exit code 1") || reason.contains("ended with 1"), "{reason}");
    k.finish();
}
