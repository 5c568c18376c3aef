//! The service as a stranger, a forger and an administrator meet it, and what it refuses to start with.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, net::TcpStream};

use kiste_tests_system::{Instance, run};

const PASSWORD: &str = "correct horse battery";

/// A browser of sorts: curl with a jar for cookies.
struct Visitor<'a> {
    k: &'a Instance,
    jar: String,
}

struct Page {
    status: u16,
    text: String,
}

impl<'a> Visitor<'a> {
    fn new(k: &'a Instance, name: &str) -> Self {
        Self { k, jar: k.dir().join(name).display().to_string() }
    }

    fn ask(&self, path: &str, words: &[&str]) -> Page {
        let url = format!("{}{path}", self.k.address());
        let mut all = vec!["-sk", "-m", "30", "-b", &self.jar, "-c", &self.jar, "-w", "\n%{http_code}", "-i"];
        all.extend(words);
        all.push(&url);
        let done = run("curl", &all);
        let (text, status) = done.out.rsplit_once('\n').unwrap();
        Page { status: status.parse().unwrap(), text: text.to_owned() }
    }

    fn get(&self, path: &str) -> Page {
        self.ask(path, &[])
    }

    /// A form of our own page.
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let origin = format!("Origin: {}", self.k.address());
        self.post_from(path, fields, &origin)
    }

    fn post_from(&self, path: &str, fields: &[(&str, &str)], header: &str) -> Page {
        let pairs: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut words = vec!["-H", header, "-X", "POST"];
        pairs.iter().for_each(|pair| words.extend(["--data-urlencode", pair]));
        self.ask(path, &words)
    }

    /// The anti-forgery token of a page.
    fn csrf(&self, path: &str) -> String {
        let page = self.get(path);
        let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    fn set_up(&self) {
        let code = self.k.told("Setup code, good once: ");
        let fields = [("code", &*code), ("user", "admin"), ("password", PASSWORD), ("again", PASSWORD)];
        let page = self.post("/setup", &fields);
        assert_eq!(page.status, 303, "{}", page.text);
    }
}

#[test]
fn a_stranger_gets_no_further_than_the_login() {
    let Some(k) = Instance::start(25) else { return };
    let stranger = Visitor::new(&k, "stranger");
    assert!(stranger.get("/login").text.contains("location: /setup"));
    let weak = [("code", "x"), ("user", "admin"), ("password", PASSWORD), ("again", PASSWORD)];
    let page = stranger.post("/setup", &weak);
    assert_eq!(page.status, 422);
    assert!(page.text.contains("kiste setup-code"), "{}", page.text);
    let admin = Visitor::new(&k, "admin");
    admin.set_up();
    assert_eq!(admin.get("/containers").status, 200);
    // The setup is over, for everybody and for good.
    assert!(stranger.post("/setup", &weak).text.contains("log in instead"));
    assert!(k.refused(&["setup-code"]).contains("log in"));
    for path in ["/containers", "/containers/100/console", "/tasks", "/templates", "/events?topic=tasks"] {
        let page = stranger.get(path);
        assert_eq!(page.status, 303, "{path}");
        assert!(page.text.contains("location: /login?next="), "{path}");
    }
    // A name that somebody else made lead here is none of ours.
    for path in ["/login", "/healthz"] {
        let page = stranger.ask(path, &["-H", "Host: evil.example"]);
        assert!(page.status == 421 && page.text.contains("hosts"), "{}", page.text);
    }
    assert_eq!(stranger.ask("/login", &["-H", "Host: localhost:1"]).status, 200);
    let login = |password: &str| stranger.post("/login", &[("user", "admin"), ("password", password)]).status;
    assert_eq!(login("wrong"), 401);
    let unknown = stranger.post("/login", &[("user", "nobody"), ("password", "wrong")]);
    assert!(unknown.status == 401 && unknown.text.contains("User name or password is wrong"));
    for _ in 0..5 {
        let _ = login("wrong");
    }
    assert_eq!(login(PASSWORD), 429, "guessing is slowed down");
    let audit = k.ok(&["audit", "--json"]);
    assert!(audit.contains("admin@pve") && audit.contains("denied"), "{audit}");
    k.finish();
}

#[test]
fn forged_and_stale_forms_change_nothing() {
    let Some(k) = Instance::start(26) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web", "--memory", "128"]);
    let admin = Visitor::new(&k, "admin");
    admin.set_up();
    let csrf = admin.csrf("/containers/web");
    let own = format!("Origin: {}", k.address());
    for (header, csrf) in
        [("Origin: https://evil.example", &*csrf), ("X-Nothing: 1", &csrf), (&own, ""), (&own, "x")]
    {
        let page = admin.post_from("/containers/web/start", &[("csrf", csrf)], header);
        assert_eq!(page.status, 403, "{header} {csrf}");
    }
    assert_eq!(k.status("web")["status"], "stopped");
    let limits = |version: &str, memory: &str| {
        let fields = [
            ("csrf", &*csrf),
            ("version", version),
            ("memory", memory),
            ("swap", "0"),
            ("cpuunits", "100"),
            ("pids", "500"),
        ];
        admin.post("/containers/web/resources", &fields)
    };
    assert_eq!(limits("1", "200M").status, 303);
    let forwards = |version: &str, value: &str| {
        let fields = [
            ("csrf", &*csrf),
            ("version", version),
            ("memory", "200M"),
            ("swap", "0"),
            ("cpuunits", "100"),
            ("pids", "500"),
            ("forwards", value),
        ];
        admin.post("/containers/web/resources", &fields)
    };
    let kept = || {
        serde_json::from_str::<serde_json::Value>(&k.ok(&["config", "web", "--json"])).unwrap()["forwards"]
            .clone()
    };
    let refused = forwards("2", "8081");
    assert!(refused.status == 422 && refused.text.contains("no port forward"), "{}", refused.text);
    let free = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    assert_eq!(forwards("2", &format!("{free}:80")).status, 303);
    assert_eq!(kept(), serde_json::json!([{ "host": free, "container": 80, "protocol": "tcp" }]));
    // A form without the field leaves them as they are, an empty one takes them away.
    assert_eq!(limits("3", "200M").status, 303);
    assert_eq!(kept().as_array().unwrap().len(), 1);
    assert_eq!(forwards("4", "").status, 303);
    assert_eq!(kept(), serde_json::json!([]));
    let stale = limits("1", "300M");
    assert_eq!(stale.status, 409);
    assert!(stale.text.contains("Somebody else changed"), "{}", stale.text);
    assert_eq!(k.status("web")["memory_max_bytes"], 200 << 20);
    k.ok(&["set", "web", "--memory", "1500"]);
    let page = admin.get("/containers/web/resources").text;
    assert!(page.contains("value=\"1500 MiB\""), "a form must not round: {page}");
    let low = limits("6", "8M");
    assert!(low.status == 422 && low.text.contains("at least 16 MiB"), "{}", low.text);
    // What fits no handler gets a page of ours, in the reader's language.
    let german = ["-H", "Accept-Language: de"];
    for (path, words, status, heading) in [
        ("/containers/web/console?kind=nonsense", &german[..], 422, "Nicht angenommen"),
        ("/containers/%ff", &german, 404, "Nicht gefunden"),
        ("/containers/web/start", &["-H", &own, "--json", "{}"], 422, "Not accepted"),
        (
            "/templates/import",
            &["-H", &own, "-F", &format!("csrf={csrf}"), "-F", "more=1"],
            422,
            "load it again",
        ),
    ] {
        let page = admin.ask(path, words);
        assert!(page.status == status && page.text.contains(heading), "{path}: {}", page.text);
        assert!(page.text.contains("<main"), "{path}: {}", page.text);
    }
    // Also in the middle of a long upload, the answer reaches a sender that reads nothing before its end.
    let long = k.dir().join("long");
    fs::File::create(&long).unwrap().set_len(64 << 20).unwrap();
    let file = format!("file=@{}", long.display());
    let page = admin.ask("/templates/import", &["-H", &own, "-H", "Expect:", "-F", "csrf=x", "-F", &file]);
    assert!(page.status == 403 && page.text.contains("<main"), "{}", page.text);
    // A console: not from another site (tickets: see the browser's journey).
    k.ok(&["start", "web"]);
    let socket =
        ["-N", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"];
    let foreign = [
        &socket[..],
        &["-H", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "-H", "Origin: https://evil.example"],
    ];
    assert_eq!(admin.ask("/containers/web/console/socket", &foreign.concat()).status, 403);
    let ticket = admin.post("/containers/web/console/ticket", &[("csrf", &csrf)]);
    assert!(ticket.text.contains("PVEVNC:"), "{}", ticket.text);
    assert_eq!(admin.post("/containers/web/console/ticket", &[("csrf", "x")]).status, 403);
    let headers = admin.get("/containers").text;
    for wanted in
        ["content-security-policy: default-src 'none'", "x-frame-options: DENY", "cache-control: no-store"]
    {
        assert!(headers.contains(wanted), "{headers}");
    }
    k.finish();
}

#[test]
fn the_web_process_has_no_right_and_ends_with_serve() {
    let Some(mut k) = Instance::start(22) else { return };
    assert_eq!(Visitor::new(&k, "jar").get("/healthz").status, 200);
    let config = fs::read_to_string(k.dir().join("kiste.toml")).unwrap();
    let base = config.lines().find_map(|l| l.strip_prefix("id_base = ")).unwrap().parse::<u32>().unwrap();
    let serve = k.serve_pid();
    let children = fs::read_to_string(format!("/proc/{serve}/task/{serve}/children")).unwrap_or_default();
    let threads = fs::read_dir(format!("/proc/{serve}/task")).unwrap().flatten();
    let of_threads = threads.filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
    let all: String = of_threads.chain([children]).collect::<Vec<_>>().join(" ");
    let line = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let web = all.split_whitespace().find(|pid| line(pid).contains("web")).unwrap();
    let status = fs::read_to_string(format!("/proc/{web}/status")).unwrap();
    let id = base + 60_000;
    assert!(status.contains(&format!("Uid:\t{id}\t{id}\t{id}\t{id}")), "{status}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    // Its socket is for that user alone: not even root of the host may speak there.
    let refused = protocol::Client::connect(&k.dir().join("run/web.sock"));
    assert!(refused.unwrap().call(protocol::engine::calls::GetWelcome {}).is_err());
    let address = k.address().replace("https://", "");
    k.end_serve("KILL");
    let gone = || !fs::exists(format!("/proc/{web}")).unwrap() && TcpStream::connect(&address).is_err();
    k.wait("the web process is gone and the port free", gone);
    k.serve();
    assert_eq!(Visitor::new(&k, "jar").get("/healthz").status, 200);
    k.finish();
}

#[test]
fn a_lost_database_is_not_replaced_by_an_empty_one() {
    let Some(mut k) = Instance::start(24) else { return };
    k.import_debian();
    k.ok(&["create", "debian", "--name", "web"]);
    k.end_serve("TERM");
    let [database, aside] = ["data/kiste.db", "aside.db"].map(|name| k.dir().join(name));
    fs::rename(&database, &aside).unwrap();
    assert!(k.refused(&["serve"]).contains("put it back"));
    assert!(!database.exists());
    fs::rename(&aside, &database).unwrap();
    k.serve();
    assert_eq!(k.status("web")["name"], "web");
    k.finish();
}

#[test]
fn a_port_in_use_is_said_before_anything_is_made() {
    let Some(k) = Instance::start(23) else { return };
    let taken = k.address().rsplit_once(':').unwrap().1.to_owned();
    let second = k.dir().join("second.toml");
    let text = fs::read_to_string(k.dir().join("kiste.toml")).unwrap();
    let text = text.replace("127.0.0.1:0", &format!("127.0.0.1:{taken}")).replace("/data\"", "/other\"");
    fs::write(&second, text.replace("/run\"", "/other-run\"")).unwrap();
    let done = k.kiste(&["serve", "--config", second.to_str().unwrap()]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("cannot listen on") && done.err.contains("`listen`"), "{}", done.err);
    assert!(!k.dir().join("other").exists());
    k.finish();
}

#[test]
fn the_create_form_asks_how_it_is_reached_and_reads_what_was_chosen() {
    let Some(k) = Instance::start(31) else { return };
    k.import_debian();
    let admin = Visitor::new(&k, "admin");
    admin.set_up();
    let bridge = format!("{}b", k.name());
    assert_eq!(run("ip", &["link", "add", &bridge, "type", "bridge"]).code, 0);
    let form = admin.get("/containers/new?template=debian");
    for needed in ["value=\"node\" checked", "value=\"forward\"", "value=\"lan\"", &bridge] {
        assert!(form.text.contains(needed), "{needed}: {}", form.text);
    }
    let csrf = admin.csrf("/containers/new?template=debian");
    let create = |name: &str, network: &str, bridge: &str, gateway: &str| {
        let fields = [
            ("csrf", &*csrf),
            ("template", "debian"),
            ("name", name),
            ("memory", "200M"),
            ("network", network),
            ("forwards", "no forward"),
            ("lan_bridge", bridge),
            ("lan_ip", "192.0.2.60/24"),
            ("lan_gateway", gateway),
        ];
        admin.post("/containers", &fields)
    };
    let refused = |page: Page, field: &str, why: &str| {
        assert_eq!(page.status, 422, "{}", page.text);
        let place = format!("id=\"{field}-error\">");
        let (_, told) = page.text.split_once(&place).unwrap();
        assert!(told.split('<').next().unwrap().contains(why), "{}", page.text);
        // What was chosen stays chosen.
        assert!(page.text.contains("value=\"lan\" checked") || field == "forwards", "{}", page.text);
    };
    refused(create("web", "forward", "", ""), "forwards", "is no port forward");
    refused(create("web", "lan", "", ""), "lan_bridge", "must be filled in");
    refused(create("web", "lan", "nosuch0", ""), "lan_bridge", "There is no interface nosuch0");
    refused(create("web", "lan", &bridge, "192.0.3.1"), "lan_gateway", "no other machine in 192.0.2.0/24");
    assert_eq!(create("web", "lan", &bridge, "192.0.2.1").status, 303);
    k.wait_status("web", "stopped");
    let summary = admin.get("/containers/web").text;
    assert!(summary.contains(&format!("Bridge {bridge} · 192.0.2.60/24 → 192.0.2.1")), "{summary}");
    assert_eq!(create("own", "node", &bridge, "nonsense").status, 303);
    k.wait_status("own", "stopped");
    assert!(admin.get("/containers/own").text.contains("own bridge</dd>"));
    for name in ["web", "own"] {
        k.ok(&["destroy", name]);
    }
    assert_eq!(run("ip", &["link", "del", &bridge]).code, 0);
    k.finish();
}
