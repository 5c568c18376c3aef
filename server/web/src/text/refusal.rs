//! Why something was refused, in the reader's language.

use std::{borrow::Cow, collections::HashMap};

use fluent_templates::fluent_bundle::FluentValue;
use model::Refusal;
use protocol::engine::ApiError;
use serde_json::{Map, Value};

use super::{Language, MESSAGES};

impl Language {
    /// What a refusal says.
    pub(crate) fn refusal(self, refusal: &Refusal) -> String {
        let told = match serde_json::to_value(refusal) {
            Ok(Value::Object(fields)) => self.reason(&fields),
            _ => None,
        };
        told.unwrap_or_else(|| refusal.to_string())
    }

    /// What an error says; one without a reason of its own comes from tools below and speaks English.
    pub(crate) fn error(self, error: &ApiError) -> String {
        error.refusal.as_deref().map_or_else(|| error.message.clone(), |refusal| self.refusal(refusal))
    }

    fn reason(self, fields: &Map<String, Value>) -> Option<String> {
        let key = format!("refusal-{}", fields.get("code")?.as_str()?);
        let values: HashMap<Cow<'static, str>, FluentValue<'_>> =
            fields.iter().map(|(name, value)| (Cow::Owned(name.clone()), argument(value))).collect();
        MESSAGES.lookup_single_language(&self.id(), &key, Some(&values)).ok()
    }
}

fn argument(value: &Value) -> FluentValue<'_> {
    match value {
        Value::String(text) => FluentValue::from(text.as_str()),
        Value::Number(number) => FluentValue::from(number.as_u64().unwrap_or_default()),
        other => FluentValue::from(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All reasons there are, from serde's own words about one that is not.
    fn codes() -> Vec<String> {
        let error = serde_json::from_str::<Refusal>(r#"{"code":"?"}"#).unwrap_err().to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    /// A refusal with some value in each field: serde names the missing ones.
    fn example(code: &str) -> Refusal {
        let mut fields = Map::new();
        fields.insert("code".into(), code.into());
        let mut field = String::new();
        loop {
            let error = match serde_json::from_value::<Refusal>(fields.clone().into()) {
                Ok(refusal) => return refusal,
                Err(error) => error.to_string(),
            };
            let mut quoted = error.split('`').skip(1).step_by(2);
            let value = if error.starts_with("missing field") {
                quoted.next().unwrap().clone_into(&mut field);
                "shown".into()
            } else if error.starts_with("unknown variant") {
                quoted.nth(1).unwrap().into()
            } else {
                assert!(error.contains("expected u"), "{code}: {field}: {error}");
                7.into()
            };
            fields.insert(field.clone(), value);
        }
    }

    #[test]
    fn every_reason_is_told_in_every_language_with_all_its_values() {
        let codes = codes();
        assert!(codes.len() > 40, "{codes:?}");
        for code in codes {
            let refusal = example(&code);
            let Ok(Value::Object(fields)) = serde_json::to_value(&refusal) else { panic!("{refusal:?}") };
            for language in [Language::En, Language::De] {
                let text = language.reason(&fields);
                let text = text.unwrap_or_else(|| panic!("refusal-{code} is missing in {language:?}"));
                assert!(!text.contains(['{', '$']), "{text}");
                let needed = fields.iter().filter(|(k, v)| *k != "code" && (**v == "shown" || v.is_number()));
                for (name, value) in needed {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    assert!(text.contains(&value), "{code} in {language:?} does not tell {name}: {text}");
                }
            }
            let english = Language::En.refusal(&refusal);
            let plain =
                |text: &str| text.replace(['"', '`', '“', '”'], "").trim_end_matches('.').to_lowercase();
            assert_eq!(
                plain(&english),
                plain(&refusal.to_string()),
                "the same words on pages and command line"
            );
        }
    }

    #[test]
    fn an_error_without_a_reason_keeps_its_words() {
        let error = ApiError::new(protocol::engine::ErrorKind::Unavailable, "no space left on device");
        assert_eq!(Language::De.error(&error), "no space left on device");
        assert!(Language::De.error(&Refusal::Stale.into()).contains("geändert"));
    }
}
