//! The catalogue is complete: every key that pages and code use, in both languages, and no other.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;

/// All text files below a folder, one after the other.
pub(crate) fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, text);
        } else if path.file_name().is_some_and(|n| n != "tests.rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

fn keys(language: &str) -> BTreeSet<String> {
    let mut text = String::new();
    read_all(&Path::new("messages").join(language), &mut text);
    let keys = text.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()));
    keys.filter_map(|l| l.split_once(" =")).map(|(key, _)| key.to_owned()).collect()
}

/// Everything in quotes in pages and code that could be a key.
fn quoted() -> BTreeSet<String> {
    let mut text = String::new();
    read_all(Path::new("../../templates"), &mut text);
    read_all(Path::new("src"), &mut text);
    let is_key = |s: &&str| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split('"').filter(is_key).map(str::to_owned).collect()
}

#[test]
fn both_languages_have_the_same_keys() {
    assert_eq!(keys("en"), keys("de"));
    assert!(keys("en").len() > 100);
}

#[test]
fn every_text_call_finds_its_key() {
    let mut text = String::new();
    read_all(Path::new("../../templates"), &mut text);
    read_all(Path::new("src"), &mut text);
    let known = keys("en");
    let mut seen = 0;
    for start in ["f.t(\"", "f.t_n(\"", "f.t_with(\"", "language.text(\"", ".text_with(\"", " t(\""] {
        for rest in text.split(start).skip(1) {
            let key = rest.split('"').next().unwrap();
            seen += 1;
            assert!(known.contains(key), "{key} is in no catalogue");
        }
    }
    assert!(seen > 100);
}

#[test]
fn no_text_is_left_over() {
    let used = quoted();
    let dead: Vec<_> = keys("en")
        .into_iter()
        .filter(|k| !used.contains(k) && !k.starts_with("step-") && !k.starts_with("refusal-"))
        .collect();
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn numbers_are_counted_in_both_languages() {
    let count =
        |language: Language, n: usize| language.text_with("containers-count", &[("n", FluentValue::from(n))]);
    assert_eq!(count(Language::En, 1), "1 container");
    assert_eq!(count(Language::En, 2), "2 containers");
    assert_eq!(count(Language::De, 1), "1 Container");
}

#[test]
fn the_first_known_language_of_a_browser_is_taken() {
    assert_eq!(Language::accepted("fr-FR,de-DE;q=0.8,en;q=0.5"), Language::De);
    assert_eq!(Language::accepted("fr"), Language::En);
    assert_eq!(Language::accepted("\u{fc}\u{fc}"), Language::En);
}
