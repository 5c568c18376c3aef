//! Forms that come back: what was typed, and what is wrong with it, field by field.

use std::collections::BTreeMap;

use model::Refusal;
use protocol::engine::{ApiError, ErrorKind};

use crate::text::Language;

/// A form as it was sent; what is missing is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    /// In which refusals are told.
    language: Language,
    values: BTreeMap<String, String>,
    errors: Vec<(String, String)>,
}

/// A whole number as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeNumber(pub(crate) u32);

impl std::str::FromStr for WholeNumber {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        s.parse().map(Self).map_err(|_| Refusal::NotAWholeNumber { given: s.to_owned() })
    }
}

/// Longest form that is taken.
pub(crate) const FORM_MAX: usize = 64 * 1024;

impl Form {
    /// From the fields of a request.
    pub(crate) fn sent(language: Language, values: BTreeMap<String, String>) -> Self {
        Self { language, values, errors: Vec::new() }
    }

    /// Filled in for a first look.
    pub(crate) fn filled(language: Language, values: &[(&str, String)]) -> Self {
        Self::sent(language, values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    }

    /// What a field holds, blanks around it cut off.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |v| v.trim())
    }

    /// Whether the form has the field at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A field as it was typed, for passwords.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether a box was ticked.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// Parses a field; what is wrong is noted at it.
    pub(crate) fn parse<T: std::str::FromStr<Err = Refusal>>(&mut self, name: &str) -> Option<T> {
        match self.get(name).parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, &error);
                None
            }
        }
    }

    /// Parses a field that may be empty.
    pub(crate) fn parse_optional<T: std::str::FromStr<Err = Refusal>>(&mut self, name: &str) -> Option<T> {
        if self.get(name).is_empty() { None } else { self.parse(name) }
    }

    /// Notes what is wrong with a field; an empty name means the form as a whole.
    pub(crate) fn reject(&mut self, name: &str, why: String) {
        self.errors.push((name.to_owned(), why));
    }

    /// Notes that a field must be filled in.
    pub(crate) fn reject_missing(&mut self, name: &str) {
        self.reject(name, self.language.text("field-missing"));
    }

    /// Notes why a field's value is refused.
    pub(crate) fn refuse(&mut self, name: &str, refusal: &Refusal) {
        self.reject(name, self.language.refusal(refusal));
    }

    /// Takes a refusal of the engine that the person can mend here; others come back.
    pub(crate) fn take_refusal(&mut self, error: ApiError) -> Result<(), ApiError> {
        match error.kind {
            ErrorKind::Invalid | ErrorKind::AlreadyExists | ErrorKind::Throttled => {
                self.reject(error.field.as_deref().unwrap_or(""), self.language.error(&error));
                Ok(())
            }
            ErrorKind::NotFound
            | ErrorKind::WrongStatus
            | ErrorKind::Stale
            | ErrorKind::Busy
            | ErrorKind::Unauthenticated
            | ErrorKind::Denied
            | ErrorKind::Unavailable
            | ErrorKind::Internal => Err(error),
        }
    }

    /// What is wrong with a field; empty: nothing.
    pub(crate) fn error(&self, name: &str) -> &str {
        self.errors.iter().find(|(n, _)| n == name).map_or("", |(_, why)| why)
    }

    /// All that is wrong, field and reason.
    pub(crate) fn errors(&self) -> &[(String, String)] {
        &self.errors
    }

    /// Whether all is well.
    pub(crate) fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stays_beside_what_was_typed() {
        let mut form = Form::filled(Language::De, &[("cores", "many".into()), ("name", " web ".into())]);
        assert_eq!(form.parse::<WholeNumber>("cores"), None);
        assert!(form.error("cores").contains("keine ganze Zahl"), "{}", form.error("cores"));
        assert_eq!(form.parse_optional::<WholeNumber>("swap"), None);
        assert_eq!(form.get("cores"), "many");
        assert!(!form.error("cores").is_empty() && form.error("swap").is_empty());
        assert_eq!(form.get("name"), "web");
        let stale = ApiError::new(ErrorKind::Stale, "x");
        assert!(form.take_refusal(stale).is_err());
        form.take_refusal(ApiError::invalid("name", "taken")).unwrap();
        assert_eq!(form.errors().len(), 2);
    }
}
