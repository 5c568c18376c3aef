//! From a template with an application to its login page, in the browser. Needs `KISTE_TEST_WORDPRESS`, the
//! archive that the system test of WordPress keeps.
#![allow(clippy::unwrap_used, reason = "tests")]

use kiste_tests_browser::{PASSWORD, Screen, travel};
use kiste_tests_system::Instance;

fn with_wordpress(number: u8) -> Option<Instance> {
    let k = Instance::start(number)?;
    let archive = std::env::var("KISTE_TEST_WORDPRESS").unwrap();
    k.ok(&["template", "import", &archive]);
    Some(k)
}

#[test]
fn an_administrator_gets_a_site_with_its_address_and_password() {
    let Some(k) = with_wordpress(43) else { return };
    let code = k.told("Setup code, good once: ");
    travel(k.address(), Screen::Desktop, "en", "wordpress", async |mut b| {
        b.set_up(&code, "Create the account").await;
        b.go("/containers/new").await;
        b.see_in(".template-card", "WordPress").await;
        b.click("a.template-card").await;
        b.fill("#name", "blog").await;
        b.fill("#p-site_title", "Anna's \"Blog\"").await;
        b.shot("form").await;
        b.press("Create container").await;
        b.see_in(".form-errors", "E-mail must be given").await;
        b.find("[aria-invalid]#p-admin_email").await;
        b.shot("form-error").await;
        b.fill("#p-admin_email", "anna@example.org").await;
        b.press("Create container").await;
        b.see_in(".page-head", "Done").await;
        b.press("Go on").await;
        b.find(".application").await;
        b.shot("starting").await;
        b.see_in(".application", "Healthy").await;
        b.shot("healthy").await;
        b.press("Show").await;
        let shown = b.script("return document.querySelector('.application dd span.mono').textContent").await;
        let password = shown.as_str().unwrap().to_owned();
        assert_eq!(password.len(), 20, "{password}");
        b.shot("password").await;
        b.go("/containers/blog").await;
        b.see_in(".application", "Show").await;
        b.go("/containers").await;
        b.see_in("tbody tr", "Healthy").await;
        b.shot("list").await;

        let address = k.status("blog")["addresses"][0].as_str().unwrap().to_owned();
        b.move_to(format!("http://{address}"));
        b.go("/").await;
        b.see("Anna").await;
        b.shot("site").await;
        b.go("/wp-login.php").await;
        b.fill("#user_login", "admin").await;
        b.fill("#user_pass", &password).await;
        b.click("#wp-submit").await;
        b.see("Dashboard").await;
        b.shot("dashboard").await;
        b
    });
    k.finish();
}

#[test]
fn the_card_reads_well_on_a_phone_in_german() {
    let Some(k) = with_wordpress(44) else { return };
    let code = k.told("Setup code, good once: ");
    k.ok(&["create", "wordpress", "--name", "blog", "--param", "admin_email=anna@example.org", "--start"]);
    travel(k.address(), Screen::Phone, "de", "wordpress-phone", async |mut b| {
        b.go("/").await;
        b.fill("#code", &code).await;
        b.fill("#password", PASSWORD).await;
        b.fill("#again", PASSWORD).await;
        b.press("Konto anlegen").await;
        b.see_in(".application, tbody", "blog").await;
        b.go("/containers/blog").await;
        b.see_in(".application", "Gesund").await;
        b.shot("summary").await;
        b.go("/containers/new?template=wordpress").await;
        b.see("Titel der Website").await;
        b.shot("form").await;
        b
    });
    k.finish();
}
