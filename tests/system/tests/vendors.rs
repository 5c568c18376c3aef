//! Applications that come from their vendors, not from Debian. The archives are stand-ins of the same shape that
//! these tests make: fetch, proof, build and first boot are proved by them, the applications are not. With a real
//! one in `KISTE_TEST_NEXTCLOUD`, Nextcloud is proved too. Only with `KISTE_TEST_ALL`.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "says what was not proved")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use kiste_tests_system::{Instance, run};
use serde_json::Value;
use testkit::{
    file_server::{Answer, FileServer},
    signer::Signer,
};

fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("KISTE_TEST_ALL").is_some();
    if !is_wanted {
        eprintln!("not run: scripts/test --all builds every template");
    }
    is_wanted
}

fn json(k: &Instance, words: &[&str]) -> Value {
    serde_json::from_str(&k.ok(words)).unwrap()
}

fn health(k: &Instance, name: &str) -> Value {
    json(k, &["health", name, "--wait", "--json"])
}

fn curl(words: &[&str]) -> String {
    run("curl", &[&["-s", "-k", "-m", "30", "--noproxy", "*"], words].concat()).out
}

/// Writes files below a folder; those with `#!` can be run.
fn write_all(top: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn pack(folder: &Path, what: &str, how: &[&str]) -> Vec<u8> {
    let archive = folder.with_extension("archive");
    let words = [&["-C", folder.to_str().unwrap()], how, &[archive.to_str().unwrap(), what]].concat();
    assert_eq!(run("tar", &words).code, 0);
    fs::read(archive).unwrap()
}

fn change_recipe(k: &Instance, name: &str, from: &str, to: &str) {
    // What was copied belongs to the test.
    let path: PathBuf = k.dir().join("recipes").join(name).join("recipe.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{name}: {from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn sum(tool: &str, bytes: &[u8], dir: &Path) -> String {
    let file = dir.join("summed");
    fs::write(&file, bytes).unwrap();
    run(tool, &[file.to_str().unwrap()]).out.split(' ').next().unwrap().to_owned()
}

/// Takes the options of Nextcloud's own command, and keeps what they say.
const OCC: &str = r#"<?php
$config = '/usr/share/nextcloud/config/config.php';
$words = array_values(array_filter(array_slice($argv, 1), fn ($w) => !in_array($w, ['--no-ansi', '--no-interaction'])));
if ($words[0] === 'maintenance:install') {
    $options = [];
    for ($i = 1; $i < count($words); $i += 2) { $options[$words[$i]] = $words[$i + 1]; }
    new mysqli('localhost', $options['--database-user'], $options['--database-pass'], $options['--database-name']);
    file_put_contents($config, "<?php\n\$CONFIG = [\n  'installed' => true,\n];\n");
} elseif ($words[0] === 'user:resetpassword') {
    file_put_contents('/var/lib/nextcloud/data/password', password_hash(getenv('OC_PASS'), PASSWORD_DEFAULT));
} elseif (!file_exists($config)) {
    exit(1);
}
"#;

#[test]
fn nextcloud_is_set_up_and_lets_its_user_in() {
    if !is_wanted() {
        return;
    }
    let server = FileServer::start();
    let mirrors = format!(
        "[source_mirrors]\n\"https://github.com/\" = \"{0}\"\n\"https://nextcloud.com/\" = \"{0}\"\n",
        server.url("/")
    );
    let Some(k) = Instance::start_with(72, &mirrors) else { return };
    let vendor = Signer::new(k.dir().join("vendor"));
    let real = std::env::var_os("KISTE_TEST_NEXTCLOUD").map(|path| fs::read(path).unwrap());
    let archive = real.clone().unwrap_or_else(|| {
        let status = "<?php echo '{\"installed\":true,\"maintenance\":false,\"needsDbUpgrade\":false}';";
        let files = [
            ("nextcloud/occ", OCC),
            ("nextcloud/status.php", status),
            ("nextcloud/config/config.sample.php", "<?php"),
            ("nextcloud/core/skeleton/Hello.md", "Hello"),
            ("nextcloud/updater/index.php", "<?php"),
        ];
        write_all(&k.dir().join("release"), &files);
        pack(&k.dir().join("release"), "nextcloud", &["-cjf"])
    });
    let base = "/nextcloud-releases/server/releases/download/v34.0.2/nextcloud-34.0.2.tar.bz2";
    server.put(&format!("{base}.asc"), Answer::File(vendor.sign(&archive)));
    server.put(base, Answer::File(archive));
    server.put("/nextcloud.asc", Answer::File(vendor.key()));
    k.copy_recipes(&["debian-12", "debian-13", "lamp", "nextcloud"]);
    change_recipe(&k, "nextcloud", "28806A878AE423A28372792ED75899B9A724937A", vendor.fingerprint());
    k.ok(&["template", "build", "nextcloud"]);
    k.ok(&["create", "nextcloud", "--name", "cloud", "--start"]);
    for _ in 0..2 {
        let seen = health(&k, "cloud");
        assert_eq!(seen["health"]["state"], "healthy", "{seen}");
        let card = json(&k, &["access", "cloud", "--reveal", "--json"]);
        let site = card["url"].as_str().unwrap();
        let password = card["password"].as_str().unwrap();
        if real.is_some() {
            let asks = |password: &str| {
                let user = format!("admin:{password}");
                let files = format!("{site}remote.php/dav/files/admin/");
                curl(&["-u", &user, "-X", "PROPFIND", "-o", "/dev/null", "-w", "%{http_code}", &files])
            };
            assert_eq!((asks(password), asks("wrong")), ("207".into(), "401".into()));
            let page = curl(&["-L", "-H", "Host: evil.example.org", site]);
            assert!(page.contains("untrusted domain"), "{page:.2000}");
        } else {
            eprintln!("application not proved: stand-in for Nextcloud");
            let check = format!(
                "php -r 'exit(password_verify(\"{password}\", file_get_contents(\"/var/lib/nextcloud/data/password\")) ? 0 : 1);'"
            );
            assert_eq!(k.inside("cloud", &format!("{check} && echo same")), "same");
        }
        assert_eq!(k.boot("cloud"), "running");
        k.ok(&["reboot", "cloud"]);
    }
    assert_eq!(k.inside("cloud", "stat -c %U /usr/share/nextcloud/status.php; ls -d /usr/share/nextcloud/updater 2>&1 | wc -l; grep -c . /var/lib/nextcloud/config/kiste.config.php | grep -v ^0 | wc -l"), "root\n1\n1");
    drop(vendor);
    k.finish();
}

/// Takes the options of Joomla's own setup.
const JOOMLA_SETUP: &str = r#"<?php
$options = [];
foreach (array_slice($_SERVER['argv'], 2) as $word) {
    [$name, $value] = explode('=', substr($word, 2), 2);
    $options[$name] = $value;
}
if ($_SERVER['argv'][1] !== 'install' || strlen($options['admin-password']) < 12 || $options['db-encryption'] !== '0') { exit(1); }
new mysqli($options['db-host'], $options['db-user'], $options['db-pass'], $options['db-name']);
$kept = ['title' => $options['site-name'], 'user' => $options['admin-username'],
    'password' => password_hash($options['admin-password'], PASSWORD_DEFAULT)];
file_put_contents(dirname(__DIR__) . '/configuration.php', '<?php return ' . var_export($kept, true) . ';');
"#;

const JOOMLA_PAGE: &str = "<?php $c = require 'configuration.php'; ?><html><head><meta name=\"generator\" \
    content=\"Joomla! - Open Source Content Management\"><title><?= htmlspecialchars($c['title']) ?></title></head></html>";

#[test]
fn joomla_is_fetched_proved_and_set_up() {
    if !is_wanted() {
        return;
    }
    let server = FileServer::start();
    let mirrors = format!("[source_mirrors]\n\"https://github.com/\" = \"{}\"\n", server.url("/"));
    let Some(k) = Instance::start_with(73, &mirrors) else { return };
    let files = [
        ("joomla/installation/joomla.php", JOOMLA_SETUP),
        ("joomla/index.php", JOOMLA_PAGE),
        ("joomla/administrator/index.php", "<?php echo 'login';"),
        ("joomla/images/evil.php", "<?php echo 'run';"),
    ];
    write_all(k.dir(), &files);
    let archive = pack(&k.dir().join("joomla"), ".", &["--zstd", "-cf"]);
    k.copy_recipes(&["debian-12", "debian-13", "lamp", "joomla"]);
    let pinned = "dec284382f1a23ab9412292400d94d3037f67923d5e51a1b51a25c63fb0045dfb1f5f5f96538e652f54ea6d28ea7ed9b590ba9016fa051e45393b1ce54da3e1b";
    let url = "/joomla/joomla-cms/releases/download/6.1.0/Joomla_6.1.0-Stable-Full_Package.tar.zst";
    server.put(url, Answer::File(archive.clone()));
    assert!(k.refused(&["template", "build", "joomla"]).contains("not what was promised"));
    change_recipe(&k, "joomla", pinned, &sum("sha512sum", &archive, k.dir()));
    k.ok(&["template", "build", "joomla"]);
    let title = k.dir().join("title");
    fs::write(&title, "Ünser \"Blog\" <b> & 'Co' $HOME").unwrap();
    let title = format!("site_title=@{}", title.display());
    k.ok(&[
        "create",
        "joomla",
        "--name",
        "site",
        "--param",
        "admin_email=anna@example.org",
        "--param",
        &title,
        "--start",
    ]);
    let seen = health(&k, "site");
    assert_eq!(seen["health"]["state"], "healthy", "{seen}");
    eprintln!("application not proved: stand-in for Joomla");
    let card = json(&k, &["access", "site", "--reveal", "--json"]);
    let site = card["url"].as_str().unwrap().strip_suffix("administrator/").unwrap().to_owned();
    let page = curl(&[&site]);
    assert!(
        page.contains("<title>Ünser &quot;Blog&quot; &lt;b&gt; &amp; &#039;Co&#039; $HOME</title>"),
        "{page}"
    );
    let code = |path: &str| curl(&["-o", "/dev/null", "-w", "%{http_code}", &format!("{site}{path}")]);
    assert_eq!(
        (code("installation/joomla.php"), code("images/evil.php"), code("administrator/")),
        ("404".into(), "403".into(), "200".into())
    );
    let check = format!(
        "php -r '$c = require \"/var/www/joomla/configuration.php\"; exit(password_verify(\"{}\", $c[\"password\"]) ? 0 : 1);'",
        card["password"].as_str().unwrap()
    );
    assert_eq!(
        k.inside(
            "site",
            &format!(
                "{check} && stat -c '%U %a' /var/www/joomla/configuration.php /var/www/joomla/index.php"
            )
        ),
        "www-data 640\nwww-data 644"
    );
    assert_eq!(k.boot("site"), "running");
    k.ok(&["reboot", "site"]);
    assert_eq!(health(&k, "site")["health"]["state"], "healthy");
    k.finish();
}

/// Answers as the program does where the template looks.
const OCIS: &str = r#"#!/bin/sh
set -eu
case $1 in
    init) printf 'password: %s\n' "$IDM_ADMIN_PASSWORD" > "$OCIS_CONFIG_DIR/ocis.yaml" ;;
    server)
        test -s "$OCIS_CONFIG_DIR/ocis.yaml"
        mkdir -p "$OCIS_BASE_DATA_PATH/www/.well-known"
        cd "$OCIS_BASE_DATA_PATH/www"
        printf 'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"issuer": "%s"}\n' "$OCIS_URL" > .well-known/openid-configuration
        exec openssl s_server -quiet -accept 443 -cert "$PROXY_TRANSPORT_TLS_CERT" -key "$PROXY_TRANSPORT_TLS_KEY" -HTTP ;;
esac
"#;

#[test]
fn owncloud_is_fetched_proved_and_set_up() {
    if !is_wanted() {
        return;
    }
    let server = FileServer::start();
    let mirrors = format!("[source_mirrors]\n\"https://github.com/\" = \"{}\"\n", server.url("/"));
    let Some(k) = Instance::start_with(74, &mirrors) else { return };
    k.copy_recipes(&["debian-12", "debian-13", "owncloud"]);
    server.put("/owncloud/ocis/releases/download/v7.3.1/ocis-7.3.1-linux-amd64", Answer::File(OCIS.into()));
    assert!(k.refused(&["template", "build", "owncloud"]).contains("not what was promised"));
    let pinned = "1134dd954b905f251ecd9dc17e9e81dc863ca6f3911c25baaf69aa7a98074b8d";
    change_recipe(&k, "owncloud", pinned, &sum("sha256sum", OCIS.as_bytes(), k.dir()));
    k.ok(&["template", "build", "owncloud"]);
    k.ok(&["create", "owncloud", "--name", "cloud", "--start"]);
    let seen = health(&k, "cloud");
    assert_eq!(seen["health"]["state"], "healthy", "{seen}");
    eprintln!("application not proved: stand-in for ownCloud");
    let card = json(&k, &["access", "cloud", "--reveal", "--json"]);
    let site = card["url"].as_str().unwrap();
    let told = curl(&[&format!("{site}.well-known/openid-configuration")]);
    assert_eq!(told, format!("{{\"issuer\": \"{}\"}}", site.trim_end_matches('/')));
    assert_eq!(
        k.inside("cloud", "cat /etc/ocis/ocis.yaml"),
        format!("password: {}", card["password"].as_str().unwrap())
    );
    assert_eq!(
        k.inside("cloud", "stat -c '%U %a' /etc/ocis/ocis.env; ps -o user= -C openssl"),
        "ocis 600\nocis"
    );
    assert_eq!(k.boot("cloud"), "running");
    k.ok(&["reboot", "cloud"]);
    assert_eq!(health(&k, "cloud")["health"]["state"], "healthy");
    k.finish();
}
