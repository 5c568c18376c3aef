//! The first path of every administrator: from an empty machine to a container, its console, a limit,
//! and back to nothing; on a desktop in English, on a phone in German.
#![allow(clippy::unwrap_used, reason = "tests")]

use kiste_tests_browser::{Browser, PASSWORD, Screen, travel};
use kiste_tests_system::Instance;

async fn set_up(mut b: Browser, code: &str, finish: &str) -> Browser {
    b.go("/").await;
    b.find("#code").await;
    b.shot("setup").await;
    b.fill("#code", "0000-0000-0000-0000").await;
    b.fill("#password", PASSWORD).await;
    b.fill("#again", PASSWORD).await;
    b.press(finish).await;
    b.see_in(".form-errors", "kiste setup-code").await;
    b.fill("#code", code).await;
    b.fill("#password", PASSWORD).await;
    b.fill("#again", PASSWORD).await;
    b.press(finish).await;
    b.find(".empty").await;
    assert_eq!(b.path().await, "/containers");
    b.shot("empty").await;
    b
}

/// From the list to a running container, with one refusal on the way. Without scripts the task's page loads
/// itself again until it is done.
async fn make_web(b: &mut Browser) {
    b.press("New container").await;
    b.shot("cards").await;
    b.click("a.template-card").await;
    b.fill("#name", "web").await;
    b.fill("#memory", "8M").await;
    b.shot("form").await;
    b.press("Create container").await;
    b.see_in(".form-errors", "at least 16 MiB").await;
    b.shot("form-error").await;
    b.fill("#memory", "300M").await;
    b.press("Create container").await;
    b.see_in(".page-head", "Done").await;
    b.shot("created").await;
    b.press("Go on").await;
    b.see_in(".page-head", "Running").await;
}

/// Confirms the deletion by the name.
async fn delete_web(b: &Browser, k: &Instance) {
    b.fill("#name", "web").await;
    b.press("Delete container").await;
    b.see_in(".page-head", "Done").await;
    assert_eq!(k.ok(&["list", "--json"]), "[]");
}

#[test]
fn an_administrator_goes_from_an_empty_machine_to_a_container_and_back() {
    let Some(mut k) = Instance::start(40) else { return };
    let archive = std::env::var("KISTE_TEST_ARCHIVE").unwrap();
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Desktop, "en", "desktop", async |b| {
        let mut b = set_up(b, &code, "Create the account").await;

        b.go("/templates").await;
        b.shot("templates-empty").await;
        b.fill("#name", "debian").await;
        b.find("#file").await.send_keys(&archive).await.unwrap();
        b.press("Import").await;
        b.see_in(".page-head", "Import template").await;
        b.shot("import").await;
        b.see_in(".page-head", "Done").await;
        b.press("Go on").await;
        b.see_in("table", "debian").await;
        b.shot("templates").await;

        b.go("/containers").await;
        make_web(&mut b).await;
        b.see_in(".live-grid", "%").await;
        assert_eq!(k.boot("web"), "running");
        b.shot("summary").await;

        b.go("/containers").await;
        b.see_in("tbody tr .status", "Running").await;
        b.shot("list").await;

        console(&mut b).await;
        limits(&mut b, &k).await;
        survival(&mut b, &mut k).await;

        b.go("/tasks").await;
        b.see_in("table", "Create: web").await;
        b.shot("tasks").await;

        b.go("/containers/web").await;
        b.press("Shut down").await;
        b.see_in("h1", "Shut down web?").await;
        b.shot("confirm").await;
        b.press("Shut down").await;
        b.see_in(".page-head", "Stopped").await;
        b.shot("stopped").await;

        b.press("Delete container").await;
        b.fill("#name", "wrong").await;
        b.press("Delete container").await;
        b.see_in(".form-errors", "type web").await;
        b.shot("delete").await;
        delete_web(&b, &k).await;

        b.click(".account-menu summary").await;
        b.shot("account").await;
        b.click("form[action='/logout'] button").await;
        b.find("#password").await;
        b.go("/containers/web/console").await;
        assert_eq!(b.path().await, "/login");
        b.shot("login").await;
        b
    });
    k.finish();
}

#[test]
fn the_same_path_works_without_scripts() {
    let Some(k) = Instance::start(42) else { return };
    k.import_debian();
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Scriptless, "en", "scriptless", async |b| {
        let mut b = set_up(b, &code, "Create the account").await;
        make_web(&mut b).await;
        b.shot("summary").await;

        b.go("/containers/web/resources").await;
        b.fill("#memory", "256M").await;
        b.press("Apply").await;
        b.see("already in force").await;
        b.go("/containers").await;
        b.see_in("tbody tr .status", "Running").await;
        b.fill("main input[name=q]", "nothing").await;
        b.press("Filter").await;
        b.see("No container matches").await;
        b.go("/containers/web/console").await;
        b.see("kiste enter web").await;
        b.shot("console").await;
        b.go("/tasks").await;
        b.see_in("table", "Create: web").await;

        b.go("/containers/web").await;
        b.press("Stop now").await;
        b.press("Stop now").await;
        b.see_in(".page-head", "Stopped").await;
        b.press("Delete container").await;
        delete_web(&b, &k).await;

        b.go("/templates").await;
        b.press("Delete").await;
        b.press("Delete template").await;
        b.see_in(".page-head", "Done").await;
        assert_eq!(k.ok(&["template", "list", "--json"]), "[]");
        b
    });
    k.finish();
}

async fn console(b: &mut Browser) {
    b.go("/containers/web/console").await;
    b.see_in("#terminal-status", "Connected").await;
    b.see_in(".xterm-rows", "root@web").await;
    b.click("#terminal").await;
    let keys = b.find_hidden(".xterm-helper-textarea").await;
    keys.send_keys("echo kiste-$((40+2)); id -u\n").await.unwrap();
    b.see_in(".xterm-rows", "kiste-42").await;
    b.shot("console").await;
    keys.send_keys("exit\n").await.unwrap();
    b.see_in("#terminal-status", "The shell has ended").await;
    b.press("Connect again").await;
    b.see_in("#terminal-status", "Connected").await;
    b.go("/containers/web/console?kind=login").await;
    b.see_in(".xterm-rows", "login:").await;
    b.shot("console-login").await;
    // A ticket opens its own terminal, once.
    let answers = b.script_async(TICKETS).await;
    assert_eq!(answers, serde_json::json!(["shown", "refused", "refused", "refused", "refused"]));
}

/// Shows tickets at the console's door: a good one, the same again, none, an invented one, another terminal's.
const TICKETS: &str = r#"
    const done = arguments[arguments.length - 1];
    const csrf = document.querySelector("input[name=csrf]").value;
    const issue = async (kind) => {
        const body = new URLSearchParams({ csrf });
        const answer = await fetch(`/containers/web/console/ticket?kind=${kind}`, { method: "POST", body });
        return (await answer.json()).ticket;
    };
    const show = (ticket) => new Promise((tell) => {
        const socket = new WebSocket(`wss://${location.host}/containers/web/console/socket?kind=login`);
        socket.onopen = () => socket.send(JSON.stringify({ ticket, cols: 80, rows: 24 }));
        socket.onmessage = (message) => {
            if (typeof message.data !== "string") { tell("shown"); socket.close(); }
        };
        socket.onclose = () => tell("refused");
    });
    (async () => {
        const good = await issue("login");
        const invented = good.slice(0, -4) + "AAAA";
        const answers = [];
        for (const ticket of [good, good, undefined, invented, await issue("shell")]) {
            answers.push(await show(ticket));
        }
        done(answers);
    })();
"#;

/// The service dies while a console is open; the container, its console's past and the session do not.
async fn survival(b: &mut Browser, k: &mut Instance) {
    b.go("/containers/web/console?kind=login").await;
    b.see_in(".xterm-rows", "login:").await;
    k.end_serve("KILL");
    b.see_in("#terminal-status", "The connection is lost").await;
    k.serve();
    b.move_to(k.address());
    b.go("/containers/web/console?kind=login").await;
    b.see_in(".xterm-rows", "login:").await;
    b.click("#terminal").await;
    b.find_hidden(".xterm-helper-textarea").await.send_keys("nobody\n").await.unwrap();
    b.see_in(".xterm-rows", "Password:").await;
}

async fn limits(b: &mut Browser, k: &Instance) {
    b.go("/containers/web/resources").await;
    b.shot("resources").await;
    b.fill("#memory", "256M").await;
    b.fill("#cpulimit", "0.5").await;
    b.press("Apply").await;
    b.see("already in force").await;
    let config: serde_json::Value = serde_json::from_str(&k.ok(&["config", "web", "--json"])).unwrap();
    assert!(config.to_string().contains("268435456"), "{config}");
    b.fill("#memory", "1M").await;
    b.press("Apply").await;
    b.find(".banner-warn input").await;
    b.shot("resources-below").await;
}

#[test]
fn the_same_path_works_on_a_phone_in_german() {
    let Some(k) = Instance::start(41) else { return };
    k.import_debian();
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Phone, "de", "phone", async |b| {
        let mut b = set_up(b, &code, "Konto anlegen").await;
        b.press("Neuer Container").await;
        b.shot("cards").await;
        b.click("a.template-card").await;
        b.fill("#name", "nextcloud-familie").await;
        b.shot("form").await;
        b.press("Container erstellen").await;
        b.see_in(".page-head", "Fertig").await;
        b.press("Weiter").await;
        b.see_in(".page-head", "Läuft").await;
        b.see_in(".live-grid", "%").await;
        b.shot("summary").await;
        b.go("/containers").await;
        b.see_in("tbody tr .status", "Läuft").await;
        b.shot("list").await;
        b.go("/containers/nextcloud-familie/console").await;
        b.see_in(".xterm-rows", "root@nextcloud").await;
        b.shot("console").await;
        b.go("/containers/nextcloud-familie/resources").await;
        b.shot("resources").await;
        b.click(".nav-menu summary").await;
        b.shot("menu").await;
        b.go("/templates").await;
        b.shot("templates").await;
        b.go("/tasks").await;
        b.shot("tasks").await;
        b.go("/containers/nextcloud-familie").await;
        b.press("Sofort beenden").await;
        b.shot("confirm").await;
        b.press("Sofort beenden").await;
        b.see_in(".page-head", "Gestoppt").await;
        b
    });
    k.finish();
}
