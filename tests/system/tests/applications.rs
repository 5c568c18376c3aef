//! Applications from recipe to login: stages, first boot, health, access card. Downloads packages.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt};

use kiste_tests_system::{Instance, names, outside::Outside, run, wordpress::log_in};
use serde_json::Value;

/// What a shell, SQL, PHP and HTML would each stumble over.
const TITLE: &str = "Ünser \"Blog\" <b> & 'Co' $HOME `id` \\o/ ; DROP";

fn json(k: &Instance, words: &[&str]) -> Value {
    serde_json::from_str(&k.ok(words)).unwrap()
}

/// Waits until the application is settled; gives its state.
fn health(k: &Instance, name: &str) -> Value {
    let done = k.kiste(&["health", name, "--wait", "--json"]);
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}"))
}

fn archive_sums(k: &Instance) -> Vec<(String, String)> {
    let folder = k.dir().join("data/templates");
    let mut all: Vec<_> = names(&folder)
        .into_iter()
        .map(|name| {
            let sum = run("sha256sum", &[folder.join(&name).to_str().unwrap()]).out;
            (name, sum.split(' ').next().unwrap().to_owned())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn wordpress_is_set_up_healthy_and_lets_its_user_in() {
    let Some(k) = Instance::start(61) else { return };
    k.copy_recipes(&["debian-12", "debian-13", "lamp", "wordpress"]);
    k.ok(&["template", "build", "wordpress"]);
    let sums = archive_sums(&k);
    assert_eq!(sums.len(), 3, "{sums:?}");
    let templates = json(&k, &["template", "list", "--json"]);
    let layers = |name: &str| {
        let all = templates.as_array().unwrap();
        let template = all.iter().find(|t| t["name"] == name).unwrap();
        template["image"]["layers"].as_array().unwrap().clone()
    };
    assert_eq!(layers("wordpress").len(), 3);
    assert!(
        layers("wordpress").starts_with(&layers("lamp")) && layers("lamp").starts_with(&layers("debian-13"))
    );
    assert_eq!(names(&k.dir().join("data/layers")).len(), 3, "each layer lies there once");

    for (parameters, why) in [
        (vec![], "admin_email must be given"),
        (vec!["admin_email=anna"], "admin_email cannot be \"anna\""),
        (vec!["admin_email=anna@example.org", "site_title=a\nb"], "control character"),
        (vec!["admin_email=anna@example.org", "color=red"], "there is no parameter color"),
        (vec!["admin_email=anna@example.org", "admin_password=short"], "admin_password has 5 characters"),
    ] {
        let mut words = vec!["create", "wordpress", "--name", "bad"];
        parameters.iter().for_each(|p| words.extend(["--param", p]));
        let refused = k.refused(&words);
        assert!(refused.contains(why) && !refused.contains("short"), "{refused}");
    }
    assert_eq!(k.ok(&["list", "--json"]), "[]");

    let title = k.dir().join("title");
    fs::write(&title, TITLE).unwrap();
    let title = format!("site_title=@{}", title.display());
    let create = |name: &str, more: &[&str]| {
        let words = ["create", "wordpress", "--name", name, "--param", "admin_email=anna@example.org"];
        k.ok(&[&words[..], more].concat());
    };
    let outside = Outside::make(&k);
    let forward = |nth: u32, port: u16| format!("{}:{port}", outside.port(nth));
    create("blog", &["--param", &title, "--forward", &forward(0, 80), "--start"]);
    let seen = health(&k, "blog");
    assert_eq!(seen["health"]["state"], "healthy", "{seen}");
    let steps = seen["first_boot"]["steps"].as_array().unwrap();
    assert!(steps.len() == 3 && steps.iter().all(|s| s["state"] == "done"), "{seen}");

    let card = json(&k, &["access", "blog", "--json"]);
    assert_eq!((&card["user"], &card["password"]), (&"admin".into(), &Value::Null));
    let site = card["url"].as_str().unwrap().strip_suffix("/wp-admin/").unwrap().to_owned();
    let password =
        json(&k, &["access", "blog", "--reveal", "--json"])["password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 20);
    let shown = "<title>Ünser &quot;Blog&quot; &lt;b&gt; &amp; &#039;Co&#039; $HOME `id` \\o/ ; DROP</title>";
    let page = outside.curl(&[&site]);
    assert!(page.contains(shown), "{page:.2000}");
    assert!(log_in(&k, &outside, &site, "admin", &password).contains("wp-admin-bar-my-account"));
    assert!(!log_in(&k, &outside, &site, "admin", "wrong password").contains("wp-admin-bar-my-account"));
    assert_eq!(k.boot("blog"), "running");
    assert_eq!(k.inside("blog", "systemctl --failed --no-legend --plain"), "");

    // The password is in no file, list or log but its own.
    assert_eq!(k.inside("blog", "ls /var/lib/kiste/first-boot"), "done\nstatus");
    for words in [&["config", "blog", "--json"][..], &["health", "blog", "--json"], &["audit", "--json"]] {
        assert!(!k.ok(words).contains(&password), "{words:?}");
    }
    for file in ["kiste.db", "kiste.db-wal"] {
        let bytes = fs::read(k.dir().join("data").join(file)).unwrap_or_default();
        assert!(!bytes.windows(password.len()).any(|w| w == password.as_bytes()), "{file}");
    }
    let key = fs::metadata(k.dir().join("data/secret.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(k.ok(&["audit", "--json"]).contains("RevealPassword"));

    k.ok(&["reboot", "blog"]);
    assert_eq!(health(&k, "blog")["health"]["state"], "healthy");
    assert!(log_in(&k, &outside, &site, "admin", &password).contains("wp-admin-bar-my-account"));

    // Cut off in the middle of its first boot, it goes on with the next one.
    create("other", &["--start"]);
    k.wait("the first boot is at work", || {
        let seen = json(&k, &["health", "other", "--json"]);
        seen["first_boot"]["steps"].as_array().unwrap().iter().any(|s| s["state"] == "running")
    });
    k.ok(&["stop", "other"]);
    k.ok(&["start", "other"]);
    assert_eq!(health(&k, "other")["health"]["state"], "healthy");
    let secrets =
        |name: &str| k.inside(name, "grep -E 'DB_PASSWORD|_KEY|_SALT' /etc/wordpress/config-default.php");
    assert_eq!(secrets("blog").lines().count(), 9);
    assert!(secrets("blog").lines().all(|l| !secrets("other").contains(l)), "secrets are each one's own");

    // The same recipe and packages give the same bytes.
    k.ok(&["template", "build", "debian-13"]);
    k.ok(&["template", "build", "wordpress"]);
    assert_eq!(archive_sums(&k), sums);
    if let Some(keep) = std::env::var_os("KISTE_TEST_KEEP_WORDPRESS") {
        let name = &sums.iter().find(|(name, _)| name.starts_with("wordpress")).unwrap().0;
        fs::copy(k.dir().join("data/templates").join(name), keep).unwrap();
    }
    // A template of it: what people have written goes on, with secrets and a user of its own.
    let _ = k.inside("blog", "cd /usr/share/wordpress; echo '<?php require \"wp-load.php\"; wp_insert_post([\"post_title\" => \"Kept\", \"post_content\" => \"by a copy\", \"post_status\" => \"publish\"]);' > /tmp/post.php; php -d include_path=/usr/share/wordpress /tmp/post.php");
    let secrets =
        k.inside("blog", "cat /etc/wordpress/config-default.php /etc/ssl/certs/ssl-cert-snakeoil.pem");
    k.ok(&["shutdown", "blog"]);
    k.ok(&["template", "create", "blog", "--name", "own-blog"]);
    let words = ["create", "own-blog", "--name", "copy", "--param", "admin_email=bert@example.org"];
    let forwards = ["--forward", &forward(1, 80)];
    k.ok(&[&words[..], &forwards, &["--param", "site_title=The copy", "--start"]].concat());
    let seen = health(&k, "copy");
    assert_eq!(seen["health"]["state"], "healthy", "{seen}");
    let card = json(&k, &["access", "copy", "--reveal", "--json"]);
    let site = card["url"].as_str().unwrap().strip_suffix("/wp-admin/").unwrap().to_owned();
    let page = outside.curl(&[&site]);
    assert!(page.contains("<title>The copy</title>") && page.contains("Kept"), "{page:.2000}");
    assert!(
        log_in(&k, &outside, &site, "admin", card["password"].as_str().unwrap())
            .contains("wp-admin-bar-my-account")
    );
    assert!(!log_in(&k, &outside, &site, "admin", &password).contains("wp-admin-bar-my-account"));
    let others =
        k.inside("copy", "cat /etc/wordpress/config-default.php /etc/ssl/certs/ssl-cert-snakeoil.pem");
    let is_secret = |l: &&str| ["_KEY'", "_SALT'", "DB_PASSWORD"].iter().any(|word| l.contains(word));
    let shared: Vec<&str> = secrets.lines().filter(is_secret).filter(|l| others.contains(*l)).collect();
    assert!(shared.is_empty() && others.contains("DB_PASSWORD"), "{shared:?}");
    let certificate = |all: &str| all[all.find("BEGIN CERTIFICATE").unwrap()..].to_owned();
    assert_ne!(certificate(&secrets), certificate(&others));
    k.ok(&["stop", "copy"]);
    k.ok(&["destroy", "copy"]);

    // What it stands on is a template too.
    k.ok(&["create", "debian-13", "--name", "plain", "--memory", "256", "--start"]);
    assert_eq!(k.boot("plain"), "running");
    assert!(k.inside("plain", "cat /etc/debian_version").starts_with("13"));
    k.ok(&["create", "lamp", "--name", "pages", "--forward", &forward(2, 80), "--start"]);
    serves_pages_and_a_database(&k, &outside, "pages");
    drop(outside);
    k.finish();
}

/// LAMP: what was put there is served, from the database that root may use, and again after a restart.
fn serves_pages_and_a_database(k: &Instance, outside: &Outside, name: &str) {
    assert_eq!(health(k, name)["health"]["state"], "healthy");
    let page = "mariadb -e 'CREATE DATABASE shop; CREATE TABLE shop.t (n INT); INSERT INTO shop.t VALUES (42);
        CREATE USER shop@localhost IDENTIFIED BY \"pw\"; GRANT SELECT ON shop.* TO shop@localhost' &&
        echo '<?php echo \"answer \", (new mysqli(\"localhost\", \"shop\", \"pw\"))->query(\"SELECT n FROM shop.t\")->fetch_row()[0];' > /var/www/html/shop.php";
    let _ = k.inside(name, page);
    for _ in 0..2 {
        let card = json(k, &["access", name, "--json"]);
        let url = format!("{}shop.php", card["url"].as_str().unwrap());
        assert_eq!(outside.curl(&[&url]), "answer 42", "{url}");
        k.ok(&["reboot", name]);
        assert_eq!(health(k, name)["health"]["state"], "healthy");
    }
}

#[test]
fn tomcat_lets_its_manager_in() {
    let Some(k) = Instance::start(68) else { return };
    k.copy_recipes(&["debian-12", "debian-13", "tomcat"]);
    k.ok(&["template", "build", "tomcat"]);
    // A password in which XML would stumble.
    let secret = k.dir().join("secret");
    fs::write(&secret, "a<b>&\"c\" 'horse'\n").unwrap();
    let secret = format!("manager_password=@{}", secret.display());
    let outside = Outside::make(&k);
    let forward = |nth: u32| format!("{}:8080", outside.port(nth));
    k.ok(&["create", "tomcat", "--name", "tom", "--param", &secret, "--forward", &forward(0), "--start"]);
    let asks_at = |name: &str, password: &str| {
        let card = json(&k, &["access", name, "--json"]);
        let user = format!("{}:{password}", card["user"].as_str().unwrap());
        outside.curl(&["-u", &user, "-w", "\n%{http_code}", card["url"].as_str().unwrap()])
    };
    let asks = |password: &str| asks_at("tom", password);
    for _ in 0..2 {
        let seen = health(&k, "tom");
        assert_eq!(seen["health"]["state"], "healthy", "{seen}");
        let password =
            json(&k, &["access", "tom", "--reveal", "--json"])["password"].as_str().unwrap().to_owned();
        assert_eq!(password, "a<b>&\"c\" 'horse'");
        let page = asks(&password);
        assert!(page.ends_with("200") && page.contains("Tomcat Web Application Manager"), "{page:.500}");
        assert!(asks("wrong").ends_with("401"));
        k.ok(&["reboot", "tom"]);
    }
    assert_eq!(k.boot("tom"), "running");
    // Its service counts as started before Java is.
    assert_eq!(health(&k, "tom")["health"]["state"], "healthy");
    let heap = k.inside(
        "tom",
        "for p in $(pgrep java); do tr '\\0' '\\n' < /proc/$p/cmdline; done | grep -c -- -Xmx",
    );
    assert_eq!(heap, "1", "Java must not take its heap from the host's memory");
    // A template of it: what was uploaded goes on, and a manager of its own gets in.
    let page = "mkdir /var/lib/tomcat10/webapps/shop && echo '<p>Kept</p>' > /var/lib/tomcat10/webapps/shop/index.html";
    let _ = k.inside("tom", page);
    k.ok(&["shutdown", "tom"]);
    k.ok(&["template", "create", "tom", "--name", "own-tomcat"]);
    k.ok(&["create", "own-tomcat", "--name", "copy", "--forward", &forward(1), "--start"]);
    assert_eq!(health(&k, "copy")["health"]["state"], "healthy");
    let card = json(&k, &["access", "copy", "--reveal", "--json"]);
    let password = card["password"].as_str().unwrap();
    assert!(asks_at("copy", password).ends_with("200") && password.len() == 20);
    assert!(asks_at("copy", "a<b>&\"c\" 'horse'").ends_with("401"));
    let shop = card["url"].as_str().unwrap().replace("/manager/html", "/shop/");
    assert!(outside.curl(&[&shop]).contains("Kept"));
    drop(outside);
    k.finish();
}

const RECIPE: &str = r#"
format = 1
name = "fussy"
title = "Fussy"
version = "1.0"
description = "Fails at first."
from = "debian-13"
packages = []
[minimum]
memory = "64M"
disk = "512M"
[application.health]
command = { argv = ["test", "-e", "/root/served"] }
start_timeout_s = 5
"#;

#[test]
fn a_first_boot_that_fails_says_so_and_can_be_tried_again() {
    let Some(k) = Instance::start(62) else { return };
    k.copy_recipes(&["debian-12", "debian-13"]);
    let recipe = k.dir().join("recipes/fussy");
    let scripts = recipe.join("files/usr/lib/kiste/first-boot/app.d");
    fs::create_dir_all(&scripts).unwrap();
    fs::write(recipe.join("recipe.toml"), RECIPE).unwrap();
    let script = "#!/bin/sh\nset -eu\necho the disk is purple\ntest -e /root/mended\ntouch /root/served\n";
    fs::write(scripts.join("50-fuss"), script).unwrap();
    fs::set_permissions(scripts.join("50-fuss"), fs::Permissions::from_mode(0o755)).unwrap();
    let state = |name: &str| {
        let all = json(&k, &["template", "available", "--json"]);
        all.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!(state("fussy"), "new");
    k.ok(&["template", "build", "fussy"]);
    assert_eq!((state("fussy"), state("debian-13")), ("built".into(), "built".into()));
    // Whatever it stands on is part of it.
    let below = k.dir().join("recipes/debian-12/hooks/20-network");
    let text = fs::read_to_string(&below).unwrap();
    fs::write(&below, format!("{text}# changed\n")).unwrap();
    assert_eq!((state("fussy"), state("debian-13")), ("changed".into(), "changed".into()));
    fs::write(&below, text).unwrap();
    assert_eq!(state("fussy"), "built");
    k.ok(&["create", "fussy", "--name", "one", "--memory", "256", "--start"]);
    let seen = health(&k, "one");
    assert_eq!(seen["health"]["state"], "unhealthy", "{seen}");
    assert_eq!(seen["first_boot"]["steps"][0]["state"], "failed");
    assert!(seen["first_boot"]["failure"].as_str().unwrap().contains("the disk is purple"), "{seen}");
    assert!(k.refused(&["health", "one", "--retry"]).contains("failed again"));
    let _ = k.inside("one", "touch /root/mended");
    k.ok(&["health", "one", "--retry"]);
    k.wait("it is healthy", || json(&k, &["status", "one", "--json"])["health"] == "healthy");
    assert!(k.refused(&["health", "one", "--retry"]).contains("nothing to try again"));
    assert_eq!(k.boot("one"), "running");
    // Ill again, and well again: the history tells.
    let _ = k.inside("one", "rm /root/served");
    k.ok(&["reboot", "one"]);
    k.wait("it is ill", || json(&k, &["status", "one", "--json"])["health"] == "unhealthy");
    let _ = k.inside("one", "touch /root/served");
    k.wait("it is well", || json(&k, &["status", "one", "--json"])["health"] == "healthy");
    let seen = json(&k, &["health", "one", "--json"]);
    let states: Vec<&str> =
        seen["history"].as_array().unwrap().iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["healthy", "unhealthy", "healthy", "unhealthy"], "{seen}");
    // Who wants that has it restarted when it stays ill.
    k.ok(&["set", "one", "--restart-unhealthy", "1"]);
    let _ = k.inside("one", "rm /root/served");
    k.ok(&["reboot", "one"]);
    k.wait("it is ill", || json(&k, &["status", "one", "--json"])["health"] == "unhealthy");
    let restarts = || {
        let all = json(&k, &["task", "list", "--json"]);
        all.as_array().unwrap().iter().filter(|t| t["kind"] == "reboot").count()
    };
    let before = restarts();
    k.wait("it is restarted", || restarts() > before);
    k.wait("and that is over", || {
        let all = json(&k, &["task", "list", "--json"]);
        all.as_array().unwrap().iter().all(|t| t["state"] != "running")
    });
    let config = json(&k, &["set", "one", "--restart-unhealthy", "0", "--json"]);
    assert_eq!(config["restarts_unhealthy"], false);
    k.finish();
}

#[test]
fn bad_recipes_are_refused_before_anything_is_built() {
    let Some(k) = Instance::start(63) else { return };
    let recipe = k.dir().join("recipes/fussy");
    fs::create_dir_all(&recipe).unwrap();
    let refused = |from: &str, to: &str| {
        fs::write(recipe.join("recipe.toml"), RECIPE.replacen(from, to, 1)).unwrap();
        k.refused(&["template", "build", "fussy"])
    };
    for (from, to, why) in [
        ("debian-13", "../../etc", "no template name"),
        ("debian-13", "fussy", "from"),
        ("debian-13", "nothing", "no recipe nothing"),
        ("title", "tittle", "tittle"),
        ("packages = []", "packages = [\"$(id)\"]", "no package's name"),
        ("packages = []", "packages = \"all\"", "packages"),
        ("\"64M\"", "\"-1\"", "minimum.memory"),
        ("[\"test\", \"-e\", \"/root/served\"]", "[]", "names no command"),
    ] {
        let text = refused(from, to);
        assert!(text.contains(why), "{to}: {text}");
    }
    fs::write(recipe.join("recipe.toml"), RECIPE).unwrap();
    fs::create_dir_all(recipe.join("files/etc")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", recipe.join("files/etc/x")).unwrap();
    assert!(k.refused(&["template", "build", "fussy"]).contains("neither file nor folder"));
    assert_eq!(k.ok(&["template", "list", "--json"]), "[]");
    k.finish();
}
