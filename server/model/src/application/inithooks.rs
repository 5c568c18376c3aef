//! TurnKey's first boot: what its appliances want to know, and the variables in which they read it
//! (`/etc/inithooks.conf`; "Preseeding" in the documentation of TurnKey's package inithooks).
//!
//! With that file there, no wizard waits at the first sign-in and no page bars the way to the application.

use super::{Access, Application, Parameter, ParameterKind, Preseed, Texts, Values};
use crate::Hostname;

/// Length of passwords that are made up.
const PASSWORD: u8 = 20;

/// What a container of such an appliance is asked for, and its access card.
#[must_use]
pub fn application() -> Application {
    let texts = |en: &str, de: &str| Texts { en: en.to_owned(), de: de.to_owned() };
    let parameter = |name: &str, kind, label, help| Parameter {
        name: name.to_owned(),
        kind,
        label,
        help,
        default: None,
        generate: None,
        min: 0,
        max: 200,
        choices: Vec::new(),
    };
    let password = |name: &str, label, help| Parameter {
        generate: Some(PASSWORD),
        min: 8,
        max: 64,
        ..parameter(name, ParameterKind::Password, label, help)
    };
    let made_up = texts("Empty: one is made up.", "Leer: es wird eines ausgedacht.");
    let domain_help = texts(
        "The name by which browsers find it. Empty: the container's host name.",
        "Der Name, unter dem Browser sie finden. Leer: der Rechnername des Containers.",
    );
    Application {
        parameters: vec![
            Parameter {
                default: Some("admin@example.com".to_owned()),
                ..parameter(
                    "app_email",
                    ParameterKind::Email,
                    texts("Administrator's e-mail", "E-Mail des Verwalters"),
                    Texts::default(),
                )
            },
            password("app_pass", texts("Application's password", "Passwort der Anwendung"), made_up.clone()),
            Parameter {
                default: Some(String::new()),
                ..parameter("app_domain", ParameterKind::Domain, texts("Domain", "Domain"), domain_help)
            },
            password("db_pass", texts("Database's password", "Passwort der Datenbank"), made_up),
        ],
        access: Some(Access {
            url: Some("http://{address}/".to_owned()),
            user: Some("admin".to_owned()),
            password: Some("app_pass".to_owned()),
            next: texts(
                "A TurnKey appliance: most sign in as admin; the appliance's own page says it where it is another name. Webmin answers on port 12321 with https, for root with the password given at creation.",
                "Eine TurnKey-Appliance: bei den meisten heißt der Benutzer admin; wo nicht, sagt es die Seite der Appliance. Webmin antwortet auf Port 12321 mit https, für root mit dem beim Anlegen vergebenen Passwort.",
            ),
        }),
        preseed: Some(Preseed::Inithooks),
        ..Application::default()
    }
}

/// The variables by their names. `root` is root's password: the first boot sets it, whatever it was before.
#[must_use]
pub fn variables(values: &Values, root: &str, hostname: &Hostname) -> Values {
    let mut variables = Values::from([("ROOT_PASS".to_owned(), root.to_owned())]);
    // Not asked of anybody: no account of TurnKey's, no mails about security, no upgrade in the middle of it.
    for skipped in ["HUB_APIKEY", "SEC_ALERTS", "SEC_UPDATES"] {
        variables.insert(skipped.to_owned(), "SKIP".to_owned());
    }
    for (name, value) in values {
        let value = if name == "app_domain" && value.is_empty() { hostname.as_str() } else { value };
        variables.insert(name.to_ascii_uppercase(), value.to_owned());
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appliance_asks_for_what_its_first_boot_reads() {
        let application = application();
        assert_eq!(application.fault(), None);
        let given = Values::from([("app_pass".to_owned(), "it's \"ünsafe\" $(x)".to_owned())]);
        let values = application.complete(&given, |n| "x".repeat(n.into())).unwrap();
        let variables = variables(&values, "toor-secret", &"shop.lan".parse().unwrap());
        let names: Vec<_> = variables.keys().map(String::as_str).collect();
        let expected = ["APP_DOMAIN", "APP_EMAIL", "APP_PASS", "DB_PASS", "HUB_APIKEY", "ROOT_PASS"];
        assert_eq!(names, [&expected[..], &["SEC_ALERTS", "SEC_UPDATES"]].concat());
        assert_eq!((&*variables["APP_DOMAIN"], &*variables["ROOT_PASS"]), ("shop.lan", "toor-secret"));
        assert_eq!((&*variables["APP_PASS"], variables["DB_PASS"].len()), ("it's \"ünsafe\" $(x)", 20));
    }

    #[test]
    fn a_template_of_ours_says_nothing_of_it() {
        let json = serde_json::to_string(&Application::default()).unwrap();
        assert!(!json.contains("preseed"), "{json}");
        let copy = serde_json::to_string(&application()).unwrap();
        assert_eq!(serde_json::from_str::<Application>(&copy).unwrap(), application());
        // The first boot of a copy is over: nobody would empty the file with root's password.
        assert_eq!(application().of_a_copy().preseed, None);
    }
}
