//! WordPress as a person at another machine uses it.

use std::fs;

use crate::{Instance, outside::Outside};

/// Logs in as a browser does; gives the page behind the login.
#[must_use]
pub fn log_in(k: &Instance, from: &Outside, site: &str, user: &str, password: &str) -> String {
    let jar = k.dir().join("jar").display().to_string();
    let _ = fs::remove_file(&jar);
    let login = format!("{site}/wp-login.php");
    let _ = from.curl(&["-c", &jar, &login]);
    let (user, password) = (format!("log={user}"), format!("pwd={password}"));
    let fields =
        ["--data-urlencode", &user, "--data-urlencode", &password, "--data-urlencode", "testcookie=1"];
    let _ = from.curl(&[&["-b", &jar, "-c", &jar], &fields[..], &[&login]].concat());
    from.curl(&["-b", &jar, &format!("{site}/wp-admin/")])
}
