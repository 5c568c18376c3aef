//! Templates from sources: real archives and lists, from a server of the test's own that can misbehave.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use kiste_tests_system::{Instance, names, run};
use serde_json::Value;
use testkit::file_server::{Answer, FileServer};

fn json(k: &Instance, words: &[&str]) -> Value {
    serde_json::from_str(&k.ok(words)).unwrap()
}

/// The Debian template of these tests, as another node has built it.
fn archive() -> Option<Vec<u8>> {
    let path = PathBuf::from(std::env::var_os("KISTE_TEST_ARCHIVE")?);
    Some(fs::read(path).unwrap())
}

fn sha256(bytes: &[u8], dir: &Path) -> String {
    let file = dir.join("summed");
    fs::write(&file, bytes).unwrap();
    run("sha256sum", &[file.to_str().unwrap()]).out.split(' ').next().unwrap().to_owned()
}

/// A root file system that holds next to nothing.
fn tiny(dir: &Path, how: &str) -> Vec<u8> {
    let tree = dir.join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::write(tree.join("bin/sh"), "x").unwrap();
    // So that it is long enough to break off in the middle.
    fs::write(tree.join("etc/noise"), run("head", &["-c", "300000", "/dev/urandom"]).out).unwrap();
    let path = dir.join("tiny");
    assert_eq!(run("tar", &["-C", tree.to_str().unwrap(), how, path.to_str().unwrap(), "."]).code, 0);
    fs::read(path).unwrap()
}

/// Installed templates as `name version`.
fn installed(k: &Instance) -> Vec<String> {
    let all = json(k, &["template", "list", "--json"]);
    let word = |t: &Value, key: &str| t[key].as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(|t| format!("{} {}", word(t, "name"), word(t, "version"))).collect()
}

#[test]
fn a_signed_index_of_one_node_serves_another() {
    let server = FileServer::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("archives");
    fs::create_dir(&folder).unwrap();
    let Some(bytes) = archive() else { return drop(Instance::start(75)) };
    fs::write(folder.join("debian-12-1.0.tar.zst"), &bytes).unwrap();
    // The first node only signs; it need not run.
    let bin = std::env::var("KISTE_BIN").unwrap();
    let sign = || -> Value {
        let (folder, key) = (folder.to_str().unwrap(), dir.path().join("key.pem"));
        let words = ["template", "index", folder, "--key", key.to_str().unwrap(), "--json"];
        let done = run(&bin, &words);
        assert_eq!(done.code, 0, "{done:?}");
        serde_json::from_str(&done.out).unwrap()
    };
    let signed = sign();
    let trust = signed["trust"].as_str().unwrap().to_owned();
    let version = signed["index"]["templates"][0]["version"].as_str().unwrap().to_owned();
    let put_list = || {
        for name in ["index.json", "index.json.sig"] {
            server.put(&format!("/t/{name}"), Answer::File(fs::read(folder.join(name)).unwrap()));
        }
    };
    put_list();
    let file = "/t/debian-12-1.0.tar.zst";
    server.put(file, Answer::File(bytes.clone()));
    let config = format!(
        "[[source]]\nname = \"friends\"\nkind = \"index\"\nurl = \"{}\"\ntrust = \"{trust}\"\n",
        server.url("/t/")
    );
    let Some(k) = Instance::start_with(75, &config) else { return };

    assert!(k.refused(&["template", "download", "debian-12"]).contains("no source offers debian-12"));
    assert!(server.requests().is_empty(), "nobody is asked before somebody wants it");
    k.ok(&["template", "refresh"]);
    let offer = || {
        let all = json(&k, &["template", "available", "--json"]);
        all.as_array().unwrap().iter().find(|o| o["source"] == "friends").unwrap().clone()
    };
    assert_eq!((&offer()["name"], &offer()["state"]), (&"debian-12".into(), &"new".into()));

    // An archive that is another one, larger, smaller or gone.
    let mut swapped = bytes.clone();
    swapped[bytes.len() / 2] ^= 1;
    let nothing = |why: &str| {
        assert!(installed(&k).is_empty(), "{why}");
        assert!(
            names(&k.dir().join("data/layers")).is_empty() && names(&k.dir().join("data/staging")).is_empty()
        );
    };
    for (answer, why) in [
        (Answer::File(swapped), "not what was promised"),
        (Answer::Claims(bytes.clone(), 3 << 30), "was promised"),
        (Answer::Endless([&bytes[..], b"more"].concat()), "sends more than"),
        (Answer::File(bytes[..1000].to_vec()), "was promised"),
        (Answer::Status(404), "answers 404"),
        (Answer::Redirect("http://127.0.0.1:9/x".into()), "private"),
    ] {
        server.put(file, answer);
        let text = k.refused(&["template", "download", "friends/debian-12"]);
        assert!(text.contains(why), "{text}");
        nothing(&text);
    }

    // Cancelled in the middle, it is gone on with.
    server.put(file, Answer::Silent(bytes.clone(), 5_000_000));
    let child = k.command(&["template", "download", "debian-12"]).stderr(Stdio::null()).spawn().unwrap();
    let running = || json(&k, &["task", "list", "--json"])[0].clone();
    k.wait("it is fetching", || running()["progress"].as_u64().is_some_and(|p| p > 0));
    k.ok(&["task", "cancel", running()["id"].as_str().unwrap()]);
    assert!(!child.wait_with_output().unwrap().status.success());
    k.wait("it is cancelled", || running()["state"] == "cancelled");
    nothing("cancelled");
    server.put(file, Answer::Redirect("/t/elsewhere".into()));
    server.put("/t/elsewhere", Answer::File(bytes.clone()));
    k.ok(&["template", "download", "debian-12"]);
    let last = server.requests().last().unwrap().clone();
    assert!(last.starts_with("/t/elsewhere bytes=") && !last.ends_with("=0-"), "{last}");
    assert_eq!(installed(&k), [format!("debian-12 {version}")]);
    assert_eq!(offer()["state"], "installed");
    assert!(names(&k.dir().join("data/downloads")).is_empty());

    // It is the template that it says it is.
    k.ok(&["create", "debian-12", "--name", "web", "--start"]);
    assert_eq!(k.boot("web"), "running");
    assert_eq!(json(&k, &["status", "web", "--json"])["template"], "debian-12");

    // A newer list is taken, the older one is not taken any more, and a forged one never.
    let old: Vec<_> = ["index.json", "index.json.sig"].map(|n| (n, fs::read(folder.join(n)).unwrap())).into();
    sign();
    put_list();
    k.ok(&["template", "refresh", "friends"]);
    for (name, bytes) in &old {
        server.put(&format!("/t/{name}"), Answer::File(bytes.clone()));
    }
    assert!(k.refused(&["template", "refresh"]).contains("somebody shows an old one"));
    put_list();
    let text = String::from_utf8(fs::read(folder.join("index.json")).unwrap()).unwrap();
    server.put("/t/index.json", Answer::File(text.replace("debian-12\"", "debian-13\"").into_bytes()));
    assert!(k.refused(&["template", "refresh"]).contains("not signed by the key"));
    server.put("/t/index.json", Answer::Status(503));
    assert!(k.refused(&["template", "refresh"]).contains("answers 503"));
    // What it offered stays, with why it could not be asked.
    assert_eq!(offer()["state"], "installed");
    let sources = json(&k, &["template", "sources", "--json"]);
    assert!(sources[0]["error"].as_str().unwrap().contains("503"), "{sources}");
    assert!(k.refused(&["template", "refresh", "nobody"]).contains("there is no source nobody"));
    k.finish();
}

#[test]
fn an_archive_from_an_address_needs_its_checksum() {
    let server = FileServer::start();
    let Some(k) = Instance::start(76) else { return };
    let bytes = tiny(k.dir(), "-cJf");
    let url = server.put("/rootfs.tar.xz?x=1", Answer::File(bytes.clone()));
    let import = |sha: &[&str]| k.kiste(&[&["template", "import", &url, "--name", "tiny"], sha].concat());
    assert!(import(&[]).err.contains("needs --sha256"));
    assert!(import(&["--sha256", "abc"]).err.contains("is no checksum"));
    assert!(server.requests().is_empty());
    assert!(import(&["--sha256", &"0".repeat(64)]).err.contains("not what was promised"));
    assert!(installed(&k).is_empty());
    assert!(
        k.refused(&["template", "import", "https://a:b@example.org/x", "--sha256", "x"])
            .contains("user and password")
    );

    // A full disk, once: what came stays and is gone on with.
    let downloads = k.dir().join("data/downloads");
    let place = downloads.to_str().unwrap();
    assert_eq!(run("mount", &["-t", "tmpfs", "-o", "size=100k", "none", place]).code, 0);
    let full = import(&["--sha256", &sha256(&bytes, k.dir())]);
    assert_eq!(run("umount", &[place]).code, 0);
    assert!(full.err.contains("the disk is full"), "{full:?}");
    assert!(installed(&k).is_empty());

    assert_eq!(import(&["--sha256", &sha256(&bytes, k.dir())]).code, 0);
    assert!(installed(&k)[0].starts_with("tiny 20"));
    k.finish();
}

/// The metadata of an image, as image servers pack it.
fn metadata(dir: &Path, yaml: &str) -> Vec<u8> {
    let folder = dir.join("metadata");
    fs::create_dir_all(folder.join("templates")).unwrap();
    fs::write(folder.join("metadata.yaml"), yaml).unwrap();
    fs::write(folder.join("templates/hostname.tpl"), "{{ container.name }} of the image\n").unwrap();
    fs::write(folder.join("templates/seed.tpl"), "name: {{ instance.name }}\nlang: {{ properties.lang }}\nnet: {{ config_get(\"user.net\", \"none\") }}\n").unwrap();
    fs::write(
        folder.join("templates/endless.tpl"),
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    )
    .unwrap();
    let path = dir.join("incus.tar.xz");
    let words =
        ["-C", folder.to_str().unwrap(), "-cJf", path.to_str().unwrap(), "metadata.yaml", "templates"];
    assert_eq!(run("tar", &words).code, 0);
    fs::read(path).unwrap()
}

const METADATA: &str = r#"architecture: x86_64
creation_date: 1795392000
properties: {os: Debian, release: trixie}
templates:
  /etc/hostname: {when: [create, copy], template: hostname.tpl}
  /var/lib/cloud/seed/nocloud-net/meta-data: {when: [create, copy], template: seed.tpl, mode: "0600", properties: {lang: "de"}}
  /etc/passwd: {when: [start], create_only: true, template: seed.tpl}
  /etc/endless: {when: [start], template: endless.tpl}
"#;

#[test]
fn image_servers_of_other_container_managers_are_understood() {
    let server = FileServer::start();
    let config = format!(
        "[[source]]\nname = \"images\"\nkind = \"simplestreams\"\nurl = \"{0}\"\ntrust = \"tls\"\n\
         [[source]]\nname = \"again\"\nkind = \"simplestreams\"\nurl = \"{0}\"\ntrust = \"tls\"\n",
        server.url("/")
    );
    let Some(k) = Instance::start_with(77, &config) else { return };
    let Ok(rootfs) = std::env::var("KISTE_TEST_ROOTFS") else { return drop(k) };
    let bytes = tiny(k.dir(), "-cJf");
    // A real Debian as squashfs: owners, links, capabilities and all.
    let (tar, image) = (k.dir().join("debian.tar"), k.dir().join("debian.squashfs"));
    let words = ["--xattrs", "--xattrs-include=*", "-C", &rootfs, "-cf", tar.to_str().unwrap(), "."];
    assert_eq!(run("tar", &words).code, 0);
    let made = format!("tar2sqfs -q -c zstd -f {} < {}", image.display(), tar.display());
    assert_eq!(run("sh", &["-c", &made]).code, 0);
    let squashfs = fs::read(&image).unwrap();
    let item = |ftype: &str, path: &str, bytes: &[u8]| {
        let sum = sha256(bytes, k.dir());
        format!(r#""{ftype}":{{"ftype":"{ftype}","path":"{path}","sha256":"{sum}","size":{}}}"#, bytes.len())
    };
    let product = |os: &str, release: &str, items: &[String]| {
        let key = format!("{}:{release}:amd64:default", os.to_lowercase());
        let about = format!(
            r#""arch":"amd64","os":"{os}","release":"{release}","release_title":"{release}","variant":"default","requirements":{{}}"#
        );
        format!(r#""{key}":{{{about},"versions":{{"20261122_13:00":{{"items":{{{}}}}}}}}}"#, items.join(","))
    };
    let root = "images/alpine/rootfs.tar.xz";
    let put_list = |metadata: &[u8]| {
        let debian = [
            item("squashfs", "images/debian/rootfs.squashfs", &squashfs),
            item("incus.tar.xz", "images/debian/incus.tar.xz", metadata),
        ];
        let products = [
            product("Alpine", "3.22", &[item("root.tar.xz", root, &bytes)]),
            product("Debian", "trixie", &debian),
        ];
        let list = format!(
            r#"{{"content_id":"images","datatype":"image-downloads","format":"products:1.0","products":{{{}}}}}"#,
            products.join(",")
        );
        server.put("/streams/v1/images.json", Answer::File(list.into_bytes()));
        server.put("/images/debian/incus.tar.xz", Answer::File(metadata.to_vec()));
        k.ok(&["template", "refresh"]);
    };
    let good = metadata(k.dir(), METADATA);
    put_list(&good);
    server.put(&format!("/{root}"), Answer::File(bytes.clone()));
    assert!(k.refused(&["template", "download", "alpine-3.22"]).contains("offered by images, again"));
    k.ok(&["template", "download", "images/alpine-3.22"]);
    assert_eq!(installed(&k), ["alpine-3.22 20261122_13:00"]);

    // What is beside the image is as hostile as the image.
    let download = || k.kiste(&["template", "download", "images/debian-trixie"]);
    let mut torn = squashfs.clone();
    torn.truncate(squashfs.len() / 2);
    for (yaml, why) in [
        (METADATA.replace("/etc/hostname", "/../etc/hostname"), "no plain path"),
        (METADATA.replace("\"0600\"", "\"4755\""), "permission bits"),
        ("templates: [".to_owned(), "metadata is damaged"),
    ] {
        put_list(&metadata(k.dir(), &yaml));
        let done = download();
        assert!(done.code == 1 && done.err.contains(why), "{done:?}");
    }
    put_list(&good);
    server.put("/images/debian/incus.tar.xz", Answer::File(metadata(k.dir(), "templates: {}\n")));
    assert!(download().err.contains("was promised"));
    server.put("/images/debian/incus.tar.xz", Answer::File(good));
    fs::write(k.dir().join("torn.squashfs"), &torn).unwrap();
    let torn = k.dir().join("torn.squashfs");
    let text = k.refused(&["template", "import", torn.to_str().unwrap(), "--name", "torn"]);
    assert!(text.contains("squashfs image is damaged"), "{text}");
    assert_eq!(installed(&k), ["alpine-3.22 20261122_13:00"]);
    assert!(names(&k.dir().join("data/staging")).is_empty());

    server.put("/images/debian/rootfs.squashfs", Answer::File(squashfs));
    let done = download();
    assert!(done.code == 0 && done.err.contains("/var/lib/cloud/seed/nocloud-net/meta-data"), "{done:?}");
    let done = k.kiste(&["create", "debian-trixie", "--name", "web", "--start"]);
    assert!(done.code == 0 && done.err.contains("/etc/endless is left out"), "{done:?}");
    assert_eq!(k.boot("web"), "running");
    // Ours win, its own are there, and what was there before stays where it says so.
    let seed = "/var/lib/cloud/seed/nocloud-net/meta-data";
    assert_eq!(
        k.inside("web", "cat /etc/hostname; ls /etc/endless 2>/dev/null; head -n 1 /etc/passwd"),
        "web\nroot:x:0:0:root:/root:/bin/bash"
    );
    assert_eq!(
        k.inside("web", &format!("stat -c '%a %U' {seed}; cat {seed}")),
        "600 root\nname: web\nlang: de\nnet: none"
    );
    assert!(
        k.inside("web", "getcap -r /usr/bin /bin 2>/dev/null; stat -c %a /usr/bin/su /usr/bin/passwd")
            .ends_with("4755\n4755")
    );
    server.put("/streams/v1/images.json", Answer::File(b"<html>".to_vec()));
    assert!(k.refused(&["template", "refresh", "images"]).contains("damaged or of a format"));
    k.finish();
}

#[test]
fn a_node_gives_its_templates_to_another() {
    let Some(bytes) = archive() else { return drop(Instance::start(78)) };
    let Some(first) = Instance::start_with(78, "serve_templates = true\n") else { return };
    // As if it had built it.
    fs::write(first.dir().join("data/templates/debian-12-1.0.tar.zst"), &bytes).unwrap();
    let signed = json(&first, &["template", "index", "--json"]);
    let key = fs::metadata(first.dir().join("data/index.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    let address = format!("{}/template-index/", first.address());
    let config = |trust: &str| {
        format!("[[source]]\nname = \"first\"\nkind = \"index\"\nurl = \"{address}\"\ntrust = \"{trust}\"\n")
    };
    let Some(second) = Instance::start_with(79, &config(signed["trust"].as_str().unwrap())) else { return };
    second.ok(&["template", "refresh"]);
    second.ok(&["template", "download", "first/debian-12"]);
    assert!(installed(&second)[0].starts_with("debian-12 "));
    let code = |path: &str| {
        let url = format!("{address}{path}");
        run("curl", &["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", "--noproxy", "*", &url])
            .out
    };
    assert_eq!(code("index.json"), "200");
    for hidden in ["../kiste.db", "..%2fkiste.db", "index.key", "debian-12-1.0.tar", "%2e%2e/secret.key", ""]
    {
        assert_eq!(code(hidden), "404", "{hidden}");
    }
    let part = |range: &str| {
        let url = format!("{address}debian-12-1.0.tar.zst");
        run(
            "curl",
            &[
                "-sk",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code} %{size_download}",
                "-H",
                range,
                "--noproxy",
                "*",
                &url,
            ],
        )
        .out
    };
    assert_eq!(part(&format!("Range: bytes={}-", bytes.len() - 7)), "206 7");
    assert!(part(&format!("Range: bytes={}-", bytes.len())).starts_with("416"));
    second.finish();
    first.finish();

    // A node that was not told to gives nothing away, and somebody else's key is not believed.
    let Some(closed) = Instance::start(78) else { return };
    fs::write(closed.dir().join("data/templates/debian-12-1.0.tar.zst"), &bytes).unwrap();
    closed.ok(&["template", "index"]);
    let url = format!("{}/template-index/index.json", closed.address());
    let code = run("curl", &["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", &url]).out;
    assert_eq!(code, "404");
    closed.finish();
}
