//! The pages: one file a page, each with its struct, its form and its page file of the same path.
//!
//! A page struct holds values ready to print. Every action is a form that is answered by 303.

pub(crate) mod account;
pub(crate) mod container_templates;
pub(crate) mod containers;
pub(crate) mod shared;
pub(crate) mod sources;
pub(crate) mod tasks;

use actix_web::{HttpResponse, http::header};
use askama::Template;
use fluent_templates::fluent_bundle::FluentValue;
use model::TaskId;

use crate::{
    assets,
    error::form_urlencode,
    format,
    text::Language,
    visitor::{FLASH_COOKIE, SignedIn, Visitor, cookie, expired},
};

/// What every page has around its content.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    language: Language,
    /// `auto`, `light` or `dark`.
    pub(crate) theme: String,
    user: Option<String>,
    /// For hidden fields.
    pub(crate) csrf: String,
    /// The node's name.
    pub(crate) node: String,
    /// The section of the navigation.
    pub(crate) section: &'static str,
    /// Tasks at work.
    pub(crate) tasks_running: usize,
    /// Path and query of this page.
    pub(crate) path: String,
    /// Message of the last action.
    pub(crate) flash: Option<String>,
    chosen_language: String,
}

/// One option of a select.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// Its value.
    pub(crate) value: &'static str,
    /// What it says.
    pub(crate) label: String,
    /// Whether it is the one.
    pub(crate) is_chosen: bool,
}

impl Frame {
    /// For somebody without a session.
    pub(crate) fn stranger(visitor: &Visitor) -> Self {
        Self {
            language: visitor.language,
            theme: "auto".to_owned(),
            user: None,
            csrf: String::new(),
            node: "Kiste".to_owned(),
            section: "",
            tasks_running: 0,
            path: visitor.path.clone(),
            flash: visitor.flash.clone(),
            chosen_language: "auto".to_owned(),
        }
    }

    /// For somebody with one.
    pub(crate) fn of(who: &SignedIn, section: &'static str) -> Self {
        let preference = |key: &str| who.session.preferences.get(key).cloned().unwrap_or("auto".to_owned());
        Self {
            theme: preference("theme"),
            user: Some(who.session.user.to_string()),
            csrf: who.session.csrf.reveal().to_owned(),
            node: who.session.node.to_string(),
            section,
            tasks_running: who.session.tasks_running,
            chosen_language: preference("language"),
            ..Self::stranger(&who.visitor)
        }
    }

    /// The page's language.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    pub(crate) fn lang(&self) -> &'static str {
        self.language.code()
    }

    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// A text of the catalogue.
    pub(crate) fn t(&self, key: &str) -> String {
        self.language.text(key)
    }

    /// A text with a number in it, `$n`.
    pub(crate) fn t_n(&self, key: &str, n: &usize) -> String {
        self.language.text_with(key, &[("n", FluentValue::from(*n))])
    }

    /// A text with a name in it, `$name`.
    pub(crate) fn t_with(&self, key: &str, name: &str) -> String {
        self.language.text_with(key, &[("name", FluentValue::from(name))])
    }

    pub(crate) fn icon(&self, name: &str) -> String {
        assets::icon(name)
    }

    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    pub(crate) fn time(&self, unix: &i64) -> String {
        format::time(self.language, *unix)
    }

    pub(crate) fn time_machine(&self, unix: &i64) -> String {
        format::time_machine(*unix)
    }

    pub(crate) fn languages(&self) -> Vec<Choice> {
        [("auto", self.t("language-auto")), ("en", "English".into()), ("de", "Deutsch".into())]
            .map(|(value, label)| Choice { value, label, is_chosen: value == self.chosen_language })
            .to_vec()
    }

    pub(crate) fn themes(&self) -> Vec<Choice> {
        [("auto", "theme-auto"), ("light", "theme-light"), ("dark", "theme-dark")]
            .map(|(value, key)| Choice { value, label: self.t(key), is_chosen: value == self.theme })
            .to_vec()
    }
}

/// A page as a response; a message that it has shown is taken back.
pub(crate) fn page(f: &Frame, template: &impl Template) -> HttpResponse {
    page_with(f, template, HttpResponse::Ok())
}

/// A page with another status, for a form that comes back.
pub(crate) fn page_with(
    f: &Frame,
    template: &impl Template,
    mut builder: actix_web::HttpResponseBuilder,
) -> HttpResponse {
    match template.render() {
        Ok(html) => {
            if f.flash.is_some() {
                builder.cookie(expired(FLASH_COOKIE));
            }
            builder.content_type("text/html; charset=utf-8").body(html)
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            HttpResponse::InternalServerError().content_type("text/plain").body("this page is broken\n")
        }
    }
}

/// An answer to a form: look there.
pub(crate) fn see_other(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

/// An answer to a form with a message for the next page, by its key.
pub(crate) fn see_other_with(address: &str, flash: &'static str) -> HttpResponse {
    let mut response = see_other(address);
    let _ = response.add_cookie(&cookie(FLASH_COOKIE, flash.to_owned()));
    response
}

/// An answer to a form that has begun a task: look how it goes.
pub(crate) fn see_task(task: &TaskId) -> HttpResponse {
    see_other(&format!("/tasks/{}", form_urlencode(task.as_str())))
}

/// A path on this site that a form asked to go on to; anything else is `otherwise`.
pub(crate) fn local_path<'a>(asked: &'a str, otherwise: &'a str) -> &'a str {
    let is_local = asked.starts_with('/')
        && !asked.starts_with("//")
        && !asked.contains(['\\', '\r', '\n'])
        && asked.bytes().all(|b| b.is_ascii_graphic());
    if is_local { asked } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_on_to_this_site_only() {
        assert_eq!(local_path("/containers/web?x=1", "/"), "/containers/web?x=1");
        for bad in ["//evil.example", "https://evil.example", "/\\evil.example", "", "x", "/a\r\nb: c"] {
            assert_eq!(local_path(bad, "/safe"), "/safe", "{bad}");
        }
    }
}
