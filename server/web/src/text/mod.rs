//! The message catalogue: every text of every page, English and German, Project Fluent's format.
//!
//! A test reads pages and code and fails when a key is missing in a language, or used nowhere.

use std::{borrow::Cow, collections::HashMap};

use fluent_templates::{LanguageIdentifier, Loader, fluent_bundle::FluentValue, static_loader};

static_loader! {
    static MESSAGES = {
        locales: "messages",
        fallback_language: "en",
        // The marks that set apart text of another direction would come along into attributes.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// A language of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Language {
    /// By its code; `None` for others.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::En),
            "de" => Some(Self::De),
            _ => None,
        }
    }

    /// The first language of an `Accept-Language` header that there is; weights are in order in practice.
    pub(crate) fn accepted(header: &str) -> Self {
        let codes = header.split(',').filter_map(|part| part.trim().get(..2));
        codes.filter_map(|code| Self::from_code(&code.to_ascii_lowercase())).next().unwrap_or_default()
    }

    /// Its code, for `<html lang>`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    fn id(self) -> LanguageIdentifier {
        static IDS: std::sync::OnceLock<[LanguageIdentifier; 2]> = std::sync::OnceLock::new();
        let ids = IDS.get_or_init(|| ["en", "de"].map(|code| code.parse().unwrap_or_default()));
        ids[usize::from(self == Self::De)].clone()
    }

    /// A text without values.
    pub(crate) fn text(self, key: &str) -> String {
        MESSAGES.lookup(&self.id(), key)
    }

    /// A text with values.
    pub(crate) fn text_with(self, key: &str, values: &[(&'static str, FluentValue<'_>)]) -> String {
        let values: HashMap<Cow<'static, str>, FluentValue<'_>> =
            values.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect();
        MESSAGES.lookup_with_args(&self.id(), key, &values)
    }

    /// Whether the catalogue has a text under the key in this very language.
    pub(crate) fn has(self, key: &str) -> bool {
        MESSAGES
            .lookup_no_default_fallback(&self.id(), key, None::<&HashMap<String, FluentValue<'_>>>)
            .is_some()
    }
}

mod refusal;

#[cfg(test)]
pub(crate) mod tests;
