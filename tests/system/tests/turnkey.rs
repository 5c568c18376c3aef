//! TurnKey's appliances through Proxmox VE's list: a stand-in that keeps to the documented contract of TurnKey's
//! first boot, on a real Debian, from a server of the test's own. The real appliances cannot be had here: what they
//! do with the values is not proved.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use kiste_tests_system::{Instance, names, run};
use serde_json::Value;
use testkit::{
    file_server::{Answer, FileServer},
    signer::Signer,
};

/// Runs the hooks once, as TurnKey's `run` does: variables, then scripts in their order, then the file is emptied.
const RUN: &str = r#"#!/bin/bash
[ -e /var/lib/appliance/done ] && exit 0
mkdir -p /var/lib/appliance
export INITHOOKS_CONF=/etc/inithooks.conf
stat -c '%a %U' $INITHOOKS_CONF > /var/lib/appliance/mode
for script in /usr/lib/inithooks/firstboot.d/*; do
    [ -f $INITHOOKS_CONF ] && . $INITHOOKS_CONF
    $script || exit 1
done
: > $INITHOOKS_CONF
touch /var/lib/appliance/done
"#;
/// Without the file a wizard waits.
const PRESEED: &str =
    "#!/bin/bash\n[ -e \"$INITHOOKS_CONF\" ] && exit 0\ntouch /var/lib/appliance/wizard\nexit 1\n";
const ROOT: &str = "#!/bin/bash\necho \"root:$ROOT_PASS\" | chpasswd\n";
const APP: &str = "#!/bin/bash\nprintf '%s\\n' \"$APP_PASS\" \"$APP_EMAIL\" \"$APP_DOMAIN\" \"$DB_PASS\" \"$SEC_UPDATES\" > /var/lib/appliance/told\n";
const UNIT: &str =
    "[Service]\nType=oneshot\nExecStart=/usr/lib/inithooks/run\n[Install]\nWantedBy=multi-user.target\n";

/// The Debian of these tests with such a first boot, as Proxmox' containers are packed.
fn appliance(dir: &Path) -> Option<Vec<u8>> {
    let rootfs = std::env::var("KISTE_TEST_ROOTFS").ok()?;
    let extra = dir.join("extra");
    for (path, text, mode) in [
        ("usr/lib/inithooks/run", RUN, 0o755),
        ("usr/lib/inithooks/firstboot.d/29preseed", PRESEED, 0o755),
        ("usr/lib/inithooks/firstboot.d/30rootpass", ROOT, 0o755),
        ("usr/lib/inithooks/firstboot.d/40app", APP, 0o755),
        ("etc/systemd/system/inithooks.service", UNIT, 0o644),
    ] {
        let file = extra.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    let wants = extra.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir(&wants).unwrap();
    std::os::unix::fs::symlink("../inithooks.service", wants.join("inithooks.service")).unwrap();
    let tar = dir.join("appliance.tar");
    let tar = tar.to_str().unwrap();
    for words in [
        ["-C", &rootfs, "-cf", tar, "."],
        ["-C", extra.to_str().unwrap(), "-rf", tar, "usr"],
        ["-C", extra.to_str().unwrap(), "-rf", tar, "etc"],
    ] {
        assert_eq!(run("tar", &words).code, 0);
    }
    assert_eq!(run("gzip", &["-1", tar]).code, 0);
    Some(fs::read(format!("{tar}.gz")).unwrap())
}

fn sha512(dir: &Path, bytes: &[u8]) -> String {
    let file = dir.join("summed");
    fs::write(&file, bytes).unwrap();
    run("sha512sum", &[file.to_str().unwrap()]).out.split(' ').next().unwrap().to_owned()
}

fn gzip(dir: &Path, text: &str) -> Vec<u8> {
    let file = dir.join("list");
    fs::write(&file, text).unwrap();
    assert_eq!(run("gzip", &["-kf", file.to_str().unwrap()]).code, 0);
    fs::read(dir.join("list.gz")).unwrap()
}

/// A list as Proxmox and TurnKey write it; places are below the list, or anywhere.
fn list(place: &str, sum: &str) -> String {
    format!(
        "Package: pve-web-news\nDescription: News\n  <b>Welcome</b>\n\nPackage: turnkey-blog\nVersion: 18.0-1\nType: lxc\nOS: debian-12\n\
         Section: turnkeylinux\nArchitecture: amd64\nLocation: {place}\nInfopage: http://example.org/blog\n\
         ManageUrl: http://__IPADDRESS__/\nsha512sum: {sum}\nDescription: TurnKey Blog\n TurnKey Blog - a stand-in\n"
    )
}

#[test]
fn an_appliance_is_downloaded_proved_and_comes_up_configured() {
    let server = FileServer::start();
    let dir = tempfile::tempdir().unwrap();
    let vendor = Signer::new(dir.path().join("vendor"));
    let other = Signer::new(dir.path().join("other"));
    let config = format!(
        "[[source]]\nname = \"turnkey\"\nkind = \"aplinfo\"\nurl = \"{}\"\ntrust = \"openpgp:{}\"\nkey = \"{}\"\n",
        server.url("/pve/aplinfo.dat"),
        vendor.fingerprint(),
        server.url("/keys/vendor.asc")
    );
    let Some(k) = Instance::start_with(29, &config) else { return };
    k.copy_recipes(&["debian-12"]);
    let bytes = appliance(dir.path()).unwrap();
    let sum = sha512(dir.path(), &bytes);
    let put = |path: &str, bytes: Vec<u8>| drop(server.put(path, Answer::File(bytes)));
    let put_list = |text: &str, signer: &Signer| {
        put("/pve/aplinfo.dat.gz", gzip(dir.path(), text));
        put("/pve/aplinfo.dat.asc", signer.sign(text.as_bytes()));
    };
    let place = "images/debian-12-turnkey-blog_18.0-1_amd64.tar.gz";
    let refresh = || k.refused(&["template", "refresh"]);
    let offers = || -> Value {
        let all: Value = serde_json::from_str(&k.ok(&["template", "available", "--json"])).unwrap();
        all.as_array().unwrap().iter().filter(|o| o["source"] == "turnkey").cloned().collect()
    };

    // Nothing is believed without the key's fingerprint over exactly these bytes.
    assert!(refresh().contains("answers 404"));
    put("/keys/vendor.asc", vendor.key());
    put_list(&list(place, &sum), &other);
    assert!(refresh().contains("not signed by the key"));
    put("/keys/vendor.asc", other.key());
    assert!(refresh().contains("not signed by the key"));
    put("/keys/vendor.asc", vendor.key());
    put_list(&list(place, &sum), &vendor);
    put("/pve/aplinfo.dat.gz", gzip(dir.path(), &list("elsewhere", &sum)));
    assert!(refresh().contains("not signed by the key"));
    put_list("<html>", &vendor);
    assert!(refresh().contains("damaged or of a format"));
    put("/pve/aplinfo.dat.gz", b"\x1f\x8bnothing".to_vec());
    assert!(refresh().contains("damaged or of a format"));
    assert_eq!(offers().as_array().unwrap().len(), 0);

    put_list(&list(place, &sum), &vendor);
    k.ok(&["template", "refresh"]);
    let offer = &offers()[0];
    assert_eq!((&offer["name"], &offer["title"]), (&"turnkey-blog".into(), &"TurnKey Blog".into()));
    assert!(offer["size"].is_null());

    // The archive is another one, or is not there.
    let file = format!("/pve/{place}");
    assert!(k.refused(&["template", "download", "turnkey-blog"]).contains("answers 404"));
    put(&file, bytes[..1000].to_vec());
    let text = k.refused(&["template", "download", "turnkey-blog"]);
    assert!(text.contains("not what was promised") && text.contains("sha512"), "{text}");
    assert_eq!(k.ok(&["template", "list", "--json"]), "[]");
    put(&file, bytes);
    k.ok(&["template", "download", "turnkey-blog"]);
    let template: Value = serde_json::from_str(&k.ok(&["template", "list", "--json"])).unwrap();
    assert_eq!(
        (&template[0]["title"], &template[0]["version"], &template[0]["description"]),
        (&"TurnKey Blog".into(), &"18.0-1".into(), &"TurnKey Blog - a stand-in".into())
    );

    // Its first boot gets what was asked for, whatever characters are in it, and no shell sees them.
    let password = "it's \"ünsafe\" $(touch /pwned) `id` \\";
    fs::write(dir.path().join("pass"), password).unwrap();
    let given = format!("app_pass=@{}", dir.path().join("pass").display());
    k.ok(&[
        "create",
        "turnkey-blog",
        "--name",
        "blog",
        "--param",
        "app_email=anna@example.org",
        "--param",
        &given,
        "--start",
    ]);
    assert_eq!(k.boot("blog"), "running");
    let told = k.inside("blog", "cat /var/lib/appliance/told");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(&lines[..3], [password, "anna@example.org", "blog"], "{told}");
    assert_eq!((lines[3].len(), lines[4]), (20, "SKIP"), "{told}");
    let left = "ls /pwned /var/lib/appliance/wizard 2>/dev/null; cat /var/lib/appliance/mode; stat -c %s /etc/inithooks.conf";
    assert_eq!(k.inside("blog", left), "600 root\n0");
    let card: Value = serde_json::from_str(&k.ok(&["access", "blog", "--reveal", "--json"])).unwrap();
    assert_eq!((&card["user"], &card["password"]), (&"admin".into(), &password.into()), "{card}");
    assert!(card["url"].as_str().unwrap().starts_with("http://10."), "{card}");

    // Two of them share no secret, and again after a restart nothing is asked.
    k.ok(&["create", "turnkey-blog", "--name", "second", "--start"]);
    assert_eq!(k.boot("second"), "running");
    let second = k.inside("second", "cat /var/lib/appliance/told");
    assert!(second.lines().nth(1) == Some("admin@example.com") && !second.contains(lines[3]), "{second}");
    let hash = |name: &str| k.inside(name, "getent shadow root | cut -d: -f2");
    assert!(hash("second").starts_with('$') && hash("second") != hash("blog"));
    k.ok(&["reboot", "blog"]);
    assert_eq!(k.boot("blog"), "running");
    assert_eq!(k.inside("blog", "cat /var/lib/appliance/told"), told);
    let text = k.refused(&["create", "turnkey-blog", "--name", "x", "--param", "app_domain=not a domain"]);
    assert!(text.contains("app_domain"), "{text}");
    assert!(names(&k.dir().join("data/downloads")).is_empty());
    drop((vendor, other));
    k.finish();
}
