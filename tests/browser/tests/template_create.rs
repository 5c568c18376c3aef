//! A template from a container, in the browser.
#![allow(clippy::unwrap_used, reason = "tests")]

use kiste_tests_browser::{Screen, travel};
use kiste_tests_system::Instance;

#[test]
fn a_container_becomes_a_template() {
    let Some(k) = Instance::start(82) else { return };
    k.import_debian();
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Desktop, "en", "template-create", async |mut b| {
        b.set_up(&code, "Create the account").await;
        k.ok(&["create", "debian", "--name", "golden"]);
        b.go("/containers/golden").await;
        b.click("a[href='/containers/golden/template']").await;
        b.see("Make a template from golden").await;
        b.fill("#name", "debian").await;
        b.shot("form").await;
        b.press("Make a template").await;
        b.see("debian is taken").await;
        b.fill("#name", "Gold!").await;
        b.press("Make a template").await;
        b.see("is no template name").await;
        b.shot("refused").await;
        b.fill("#name", "my-golden").await;
        b.press("Make a template").await;
        b.see_in(".page-head", "Done").await;
        b.shot("task").await;
        b.press("Go on").await;
        b.see_in("table", "Made from a container").await;
        b.shot("gallery").await;
        b
    });
    k.ok(&["destroy", "golden"]);
    k.finish();
}
