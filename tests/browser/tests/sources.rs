//! Templates from sources in the browser: asking, searching, downloading, and what a person sees when a server lies.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use kiste_tests_browser::{Screen, travel};
use kiste_tests_system::{Instance, run};
use testkit::{
    file_server::{Answer, FileServer},
    signer::Signer,
};

/// A root file system that holds next to nothing, and its checksum.
fn tiny(dir: &Path) -> (Vec<u8>, String) {
    let tree = dir.join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::write(tree.join("bin/sh"), "x").unwrap();
    // What makes it an appliance of TurnKey's.
    fs::create_dir_all(tree.join("usr/lib/inithooks/firstboot.d")).unwrap();
    fs::write(tree.join("etc/noise"), vec![7; 3 << 20]).unwrap();
    let path = dir.join("tiny.tar");
    run("tar", &["-C", tree.to_str().unwrap(), "-cf", path.to_str().unwrap(), "."]);
    let sum = run("sha256sum", &[path.to_str().unwrap()]).out.split(' ').next().unwrap().to_owned();
    (fs::read(path).unwrap(), sum)
}

fn products(sum: &str, size: usize) -> String {
    let product = |os: &str, release: &str, path: &str| {
        format!(
            r#""{os}:{release}":{{"arch":"amd64","os":"{os}","release":"{release}","versions":{{"20261122_13:00":{{"items":{{
            "root.tar.xz":{{"ftype":"root.tar.xz","path":"images/{path}","sha256":"{sum}","size":{size}}}}}}}}}}}"#
        )
    };
    let others: String = (0..150).map(|n| format!(",{}", product("Other", &n.to_string(), "gone"))).collect();
    format!(
        r#"{{"datatype":"image-downloads","format":"products:1.0","products":{{{},{}{others}}}}}"#,
        product("Alpine", "3.22", "alpine"),
        product("Liar", "1", "lie"),
    )
}

#[test]
fn a_template_is_found_downloaded_and_a_lie_is_told() {
    let server = FileServer::start();
    let config = format!(
        "[[source]]\nname = \"images\"\nkind = \"simplestreams\"\nurl = \"{}\"\ntrust = \"tls\"\n",
        server.url("/")
    );
    let Some(k) = Instance::start_with(47, &config) else { return };
    let (bytes, sum) = tiny(k.dir());
    server.put("/streams/v1/images.json", Answer::File(products(&sum, bytes.len()).into_bytes()));
    let mut lie = bytes.clone();
    lie[1 << 20] ^= 1;
    server.put("/images/lie", Answer::File(lie));
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Desktop, "en", "sources", async |mut b| {
        b.set_up(&code, "Create the account").await;
        b.click("nav.sidenav a[href='/sources']").await;
        b.see_in("table", "never").await;
        b.shot("before").await;
        b.press("Ask all").await;
        b.see_in(".page-head", "Done").await;
        b.press("Go on").await;
        b.see("52 more").await;
        b.shot("offers").await;
        b.fill("#q", "alp").await;
        b.press("Search").await;
        b.see_in("main", "Alpine 3.22").await;
        // So slow that its progress can be seen, then broken, then fine: it goes on with what has come.
        server.put("/images/alpine", Answer::Silent(bytes.clone(), 2 << 20));
        b.click("[aria-label='Download alpine-3.22']").await;
        b.find("progress[value]").await;
        b.shot("progress").await;
        b.press("Cancel the task").await;
        b.see_in(".page-head", "Cancelled").await;
        server.put("/images/alpine", Answer::File(bytes.clone()));
        b.go("/sources?q=alp").await;
        b.click("[aria-label='Download alpine-3.22']").await;
        b.see_in(".page-head", "Done").await;
        b.press("Go on").await;
        b.see_in("table", "Downloaded").await;
        b.shot("gallery").await;
        assert!(server.requests().iter().any(|r| r == "/images/alpine bytes=2097152-"));

        b.go("/sources?q=liar").await;
        b.click("[aria-label='Download liar-1']").await;
        b.see_in("main", "is not what was promised").await;
        b.shot("lie").await;

        b.go("/templates").await;
        b.fill("#url", "ftp://example.org/x").await;
        b.fill("#sha256", &sum).await;
        b.press("Download").await;
        b.see_in(".form-errors", "only http and https").await;
        b.find("[aria-invalid]#url").await;
        b.shot("address").await;
        b.fill("#url", &server.url("/images/alpine")).await;
        b.fill("#sha256", "abc").await;
        b.press("Download").await;
        b.find("[aria-invalid]#sha256").await;
        b.fill("#sha256", &sum).await;
        b.fill("#as", "mine").await;
        b.press("Download").await;
        b.see_in(".page-head", "Done").await;
        b
    });
    let all = k.ok(&["template", "list", "--json"]);
    assert!(all.contains("\"mine\"") && all.contains("\"alpine-3.22\""), "{all}");
    k.finish();
}

#[test]
fn an_appliance_asks_for_what_its_first_boot_reads() {
    let server = FileServer::start();
    let home = std::env::temp_dir().join(format!("kiste-turnkey-{}", std::process::id()));
    let vendor = Signer::new(home.clone());
    let config = format!(
        "[[source]]\nname = \"turnkey\"\nkind = \"aplinfo\"\nurl = \"{}\"\ntrust = \"openpgp:{}\"\nkey = \"{}\"\n",
        server.url("/aplinfo.dat"),
        vendor.fingerprint(),
        server.put("/key.asc", Answer::File(vendor.key()))
    );
    let Some(k) = Instance::start_with(49, &config) else { return };
    let (bytes, _) = tiny(k.dir());
    let tar = k.dir().join("tiny.tar");
    let sum = run("sha512sum", &[tar.to_str().unwrap()]).out.split(' ').next().unwrap().to_owned();
    let list = format!(
        "Package: turnkey-blog\nVersion: 18.0-1\nType: lxc\nOS: debian-12\nSection: turnkeylinux\nArchitecture: amd64\n\
         Location: blog.tar\nInfopage: http://example.org/\nsha512sum: {sum}\nDescription: TurnKey Blog\n A blog for tests\n"
    );
    // Uncompressed it is taken as well.
    server.put("/aplinfo.dat.asc", Answer::File(vendor.sign(list.as_bytes())));
    server.put("/aplinfo.dat.gz", Answer::File(list.into_bytes()));
    server.put("/blog.tar", Answer::File(bytes));
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Desktop, "en", "turnkey", async |mut b| {
        b.set_up(&code, "Create the account").await;
        b.go("/sources").await;
        b.press("Ask all").await;
        b.see_in(".page-head", "Done").await;
        b.go("/sources").await;
        b.see_in("main", "TurnKey Blog").await;
        b.see_in("main", "it is signed by openpgp:").await;
        b.shot("source").await;
        b.click("[aria-label='Download turnkey-blog']").await;
        b.see_in(".page-head", "Done").await;
        b.press("Go on").await;
        b.see_in("table", "turnkey-blog").await;
        b.go("/containers/new?template=turnkey-blog").await;
        b.see("Administrator's e-mail").await;
        b.shot("form").await;
        b.fill("#name", "blog").await;
        b.fill("#p-app_domain", "not a name").await;
        b.press("Create container").await;
        b.find("[aria-invalid]#p-app_domain").await;
        b.shot("refused").await;
        b
    });
    drop(vendor);
    fs::remove_dir_all(home).unwrap();
    k.finish();
}

#[test]
fn quellen_auf_dem_telefon() {
    let config = "[[source]]\nname = \"freunde\"\nkind = \"index\"\nurl = \"http://127.0.0.1:9/\"\n\
                  trust = \"ed25519:0707070707070707070707070707070707070707070707070707070707070707\"\n";
    let Some(k) = Instance::start_with(48, config) else { return };
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Phone, "de", "quellen", async |mut b| {
        b.set_up(&code, "Konto anlegen").await;
        b.go("/sources").await;
        b.press("Alle fragen").await;
        b.see_in("main", "cannot reach").await;
        b.shot("fehler").await;
        b.go("/sources").await;
        b.see_in("table", "cannot reach").await;
        b.shot("liste").await;
        b
    });
    k.finish();
}
