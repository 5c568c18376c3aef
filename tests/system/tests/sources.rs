//! What recipes fetch from vendors: real archives, keys and signatures, from a server of the test's own.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use kiste_tests_system::{Instance, names, run};
use testkit::{
    file_server::{Answer, FileServer},
    signer::Signer,
};

/// Where the recipe says the vendor is; the configuration leads elsewhere.
const VENDOR: &str = "https://vendor.example/";

/// A release as vendors pack it: everything in a folder with the version, owned by whoever packed it.
fn release(dir: &Path, text: &str) -> Vec<u8> {
    let top = dir.join("app-1.2");
    let _ = fs::remove_dir_all(&top);
    fs::create_dir_all(top.join("bin")).unwrap();
    fs::write(top.join("index.php"), text).unwrap();
    fs::write(top.join("bin/tool"), "#!/bin/sh\n").unwrap();
    run("chmod", &["-R", "a+rwX,u+s", top.to_str().unwrap()]);
    run("chmod", &["4777", top.join("bin/tool").to_str().unwrap()]);
    let archive = dir.join("app.tar.bz2");
    let words = [
        "-C",
        dir.to_str().unwrap(),
        "--owner=70000",
        "--group=70000",
        "-cjf",
        archive.to_str().unwrap(),
        "app-1.2",
    ];
    let packed = run("tar", &words);
    assert_eq!(packed.code, 0, "{packed:?}");
    fs::read(archive).unwrap()
}

fn recipe(proof: &str) -> String {
    format!(
        "format = 1\nname = \"app\"\ntitle = \"App\"\nversion = \"1.2\"\ndescription = \"From a vendor.\"\n\
         suite = \"trixie\"\npackages = []\n[minimum]\nmemory = \"64M\"\ndisk = \"512M\"\n\
         [[source]]\nurl = \"{VENDOR}app.tar.bz2\"\nmax = \"1M\"\nunpack = \"/usr/share/app\"\nstrip = 1\n{proof}\n"
    )
}

fn signed_by(signer: &Signer) -> String {
    format!(
        "signature = {{ url = \"{VENDOR}app.asc\", key = \"{VENDOR}key.asc\", fingerprint = \"{}\" }}",
        signer.fingerprint()
    )
}

#[test]
fn what_is_not_proved_is_never_built_with() {
    let server = FileServer::start();
    let mirrors = format!("[source_mirrors]\n\"{VENDOR}\" = \"{}\"\n", server.url("/mirror/"));
    let Some(k) = Instance::start_with(70, &mirrors) else { return };
    let vendor = Signer::new(k.dir().join("vendor"));
    let other = Signer::new(k.dir().join("other"));
    let good = release(k.dir(), "<?php // good");
    let folder = k.dir().join("recipes/app");
    fs::create_dir_all(&folder).unwrap();
    let refused = |proof: &str| {
        fs::write(folder.join("recipe.toml"), recipe(proof)).unwrap();
        let text = k.refused(&["template", "build", "app"]);
        assert_eq!(k.ok(&["template", "list", "--json"]), "[]");
        for place in ["staging", "layers", "templates"] {
            assert!(names(&k.dir().join("data").join(place)).is_empty(), "{place}: {text}");
        }
        text
    };
    let put =
        |name: &str, bytes: &[u8]| drop(server.put(&format!("/mirror/{name}"), Answer::File(bytes.to_vec())));

    assert!(refused("").contains("neither checksum nor signature"));
    assert!(server.requests().is_empty());
    let sum = format!("sha256 = \"{}\"", "0".repeat(64));
    assert!(refused(&sum).contains("answers 404"));
    put("app.tar.bz2", &good);
    let text = refused(&sum);
    assert!(text.contains("not what was promised") && text.contains(&"0".repeat(64)), "{text}");

    let signed = signed_by(&vendor);
    assert!(refused(&signed).contains("answers 404"));
    put("app.asc", &vendor.sign(&good));
    for (key, signature, why) in [
        // Key and signature fit each other, and are not the vendor's.
        (other.key(), other.sign(&good), "is not by key"),
        (other.key(), vendor.sign(&good), "is not by key"),
        (vendor.key(), other.sign(&good), "is not by key"),
        (vendor.key(), vendor.sign(b"something else"), "BAD signature"),
        (vendor.key(), b"no signature".to_vec(), "is not by key"),
        (b"no key".to_vec(), vendor.sign(&good), "is not by key"),
        // Two in one file: the first one's word must not stand for the second.
        (
            [vendor.key(), other.key()].concat(),
            [other.sign(&good), vendor.sign(b"x")].concat(),
            "is not by key",
        ),
    ] {
        put("key.asc", &key);
        put("app.asc", &signature);
        let text = refused(&signed);
        assert!(text.contains(why), "{text}");
    }

    put("key.asc", &vendor.key());
    // More than the recipe allows, and an archive that leads out of its folder.
    put("app.tar.bz2", &vec![0; 2 << 20]);
    assert!(refused(&signed).contains("more than the 1.00 MiB allowed"));
    let hostile = k.dir().join("hostile.tar");
    fs::write(k.dir().join("evil"), "x").unwrap();
    let words = ["-C", k.dir().to_str().unwrap(), "-cf", hostile.to_str().unwrap(), "--transform"];
    run("tar", &[&words[..], &["s,^,app/../../../../tmp/,", "-P", "evil"]].concat());
    let hostile = fs::read(hostile).unwrap();
    put("app.tar.bz2", &hostile);
    put("app.asc", &vendor.sign(&hostile));
    assert!(refused(&signed).contains("leads out of it"));
    drop((vendor, other));
    k.finish();
}

#[test]
fn what_is_proved_comes_into_the_template_as_roots() {
    let server = FileServer::start();
    let mirrors = format!("[source_mirrors]\n\"{VENDOR}\" = \"{}\"\n", server.url("/"));
    let Some(k) = Instance::start_with(71, &mirrors) else { return };
    let vendor = Signer::new(k.dir().join("vendor"));
    let good = release(k.dir(), "<?php // good");
    let folder = k.dir().join("recipes/app");
    fs::create_dir_all(&folder).unwrap();
    let program = format!(
        "[[source]]\nurl = \"{VENDOR}tool\"\nfile = \"/usr/bin/vendors-tool\"\nsha256 = \"{}\"\n",
        run("sha256sum", &[k.dir().join("app-1.2/bin/tool").to_str().unwrap()])
            .out
            .split(' ')
            .next()
            .unwrap()
    );
    fs::write(folder.join("recipe.toml"), recipe(&format!("{}\n{program}", signed_by(&vendor)))).unwrap();
    let put = |name: &str, bytes: Vec<u8>| drop(server.put(name, Answer::File(bytes)));
    put("/key.asc", vendor.key());
    put("/tool", b"#!/bin/sh\n".to_vec());
    put("/app.asc", vendor.sign(&good));
    // A line that breaks now and then.
    server.put("/app.tar.bz2", Answer::File(good.clone()));
    k.ok(&["template", "build", "app"]);

    let layers = k.dir().join("data/layers");
    let tree = layers.join(&names(&layers)[0]).join("fs");
    for (path, mode) in [
        ("usr/share/app", 0o755),
        ("usr/share/app/index.php", 0o644),
        ("usr/share/app/bin/tool", 0o755),
        ("usr/bin/vendors-tool", 0o755),
    ] {
        let about = fs::symlink_metadata(tree.join(path)).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (0, 0, mode), "{path}");
    }
    let listed: serde_json::Value = serde_json::from_str(&k.ok(&["template", "list", "--json"])).unwrap();
    let source = &listed[0]["sources"][0];
    assert_eq!(source["url"], format!("{VENDOR}app.tar.bz2"));
    assert_eq!(source["signed_by"], vendor.fingerprint());
    assert_eq!(source["sha256"].as_str().unwrap().len(), 64);

    // The same version, signed as well, and yet another: what was built stays.
    let changed = release(k.dir(), "<?php // changed");
    put("/app.tar.bz2", changed.clone());
    put("/app.asc", vendor.sign(&changed));
    let text = k.refused(&["template", "build", "app"]);
    assert!(text.contains("a version that changes is no good sign"), "{text}");
    let after: serde_json::Value = serde_json::from_str(&k.ok(&["template", "list", "--json"])).unwrap();
    assert_eq!(after, listed);
    drop(vendor);
    k.finish();
}
