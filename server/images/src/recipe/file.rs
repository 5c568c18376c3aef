//! `recipe.toml` as it is written, and the checks of its values.

use std::path::Path;

use model::{Application, Bytes, TemplateName, template::RecipeSummary};
use serde::Deserialize;
use toml::Table;

use super::{Base, RecipeError, RecipeSource, SystemUser, source};

/// The keys, after those of the recipe that it is `like` have been put in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    name: TemplateName,
    title: String,
    version: String,
    description: String,
    #[serde(default)]
    suite: Option<String>,
    #[serde(default)]
    from: Option<TemplateName>,
    packages: Vec<String>,
    minimum: Minimum,
    #[serde(default, rename = "user")]
    users: Vec<SystemUser>,
    #[serde(default, rename = "source")]
    sources: Vec<source::Written>,
    #[serde(default)]
    application: Application,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Minimum {
    memory: String,
    disk: String,
}

/// What recipe.toml says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) summary: RecipeSummary,
    pub(super) base: Base,
    pub(super) packages: Vec<String>,
    pub(super) users: Vec<SystemUser>,
    pub(super) sources: Vec<RecipeSource>,
}

fn toml_error(path: &Path) -> impl Fn(toml::de::Error) -> RecipeError + '_ {
    |e| RecipeError::Toml(path.to_owned(), Box::new(e))
}

/// The text as a table, and the recipe that it is like.
pub(super) fn table(text: &str, path: &Path) -> Result<(Table, Option<TemplateName>), RecipeError> {
    let mut table: Table = text.parse().map_err(toml_error(path))?;
    let like = table.remove("like").map(|name| name.try_into::<TemplateName>()).transpose();
    Ok((table, like.map_err(toml_error(path))?))
}

/// Puts a recipe's own keys over those of the one that it is like. `from` and `suite` say the same thing.
pub(super) fn over(mut like: Table, own: Table) -> Table {
    if own.contains_key("from") || own.contains_key("suite") {
        like.remove("from");
        like.remove("suite");
    }
    like.extend(own);
    like
}

/// Checks the values. `text` is what was written, for messages with a line; `None` when it is merged.
pub(super) fn parse(table: Table, text: Option<&str>, path: &Path) -> Result<Parsed, RecipeError> {
    let file: File = match text {
        Some(text) => toml::from_str(text),
        None => table.try_into(),
    }
    .map_err(toml_error(path))?;
    let value = |key, why: String| RecipeError::Value { path: path.to_owned(), key, why };
    if file.format != 1 {
        return Err(value("format", format!("{} is not known to this version: it must be 1", file.format)));
    }
    for (key, text) in [("title", &file.title), ("description", &file.description)] {
        if text.trim().is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            return Err(value(key, "must be 1 to 200 characters on one line".into()));
        }
    }
    if !is_plain(&file.version, ".") || file.version.len() > 16 || file.version.contains("..") {
        return Err(value("version", format!("{:?} is not 1 to 16 of a-z, 0-9 and dot", file.version)));
    }
    let base = match (file.suite, file.from) {
        (Some(suite), None) if is_plain(&suite, "-") && suite.len() <= 32 => Base::Suite(suite),
        (Some(suite), None) => {
            return Err(value("suite", format!("{suite:?} is no release of Debian, such as bookworm")));
        }
        (None, Some(from)) if from != file.name => Base::Stage(from),
        _ => return Err(value("from", "or suite: one of both says what it stands on".into())),
    };
    if let Some(bad) = file.packages.iter().find(|p| p.len() < 2 || p.len() > 100 || !is_plain(p, "+-.")) {
        return Err(value("packages", format!("holds {bad:?}, which is no package's name")));
    }
    for user in &file.users {
        if let Some(why) = user.fault() {
            return Err(value("user", why));
        }
    }
    let sources = file.sources.into_iter().map(source::Written::check);
    let sources = sources.collect::<Result<Vec<_>, _>>().map_err(|why| value("source", why))?;
    if let Some(why) = file.application.fault() {
        return Err(value("application", why));
    }
    let size = |key, text: &str| text.parse::<Bytes>().map_err(|e| value(key, e.to_string()));
    Ok(Parsed {
        summary: RecipeSummary {
            name: file.name,
            title: file.title,
            version: file.version,
            description: file.description,
            memory_min: size("minimum.memory", &file.minimum.memory)?,
            disk_min: size("minimum.disk", &file.minimum.disk)?,
            application: file.application,
        },
        base,
        packages: file.packages,
        users: file.users,
        sources,
    })
}

/// Whether a text is small letters, digits and some others, beginning with one of the former.
pub(super) fn is_plain(s: &str, others: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "format = 1\nname = \"tiny\"\ntitle = \"Tiny\"\nversion = \"1.0\"\n\
        description = \"A tiny one.\"\nsuite = \"bookworm\"\npackages = [\"dbus\", \"g++\"]\n\
        [minimum]\nmemory = \"64M\"\ndisk = \"1G\"\n[[user]]\nname = \"mysql\"\nid = 210\n";

    fn parse_text(text: &str) -> Result<Parsed, RecipeError> {
        parse(Table::new(), Some(text), Path::new("/r/recipe.toml"))
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        let recipe = parse_text(GOOD).unwrap();
        assert_eq!((recipe.packages.len(), recipe.summary.memory_min), (2, Bytes::mib(64)));
        for (old, new, want) in [
            ("format = 1", "format = 2", "format 2"),
            ("\"Tiny\"", "\"\"", "title"),
            ("\"1.0\"", "\"1/0\"", "version"),
            ("\"bookworm\"", "\"../x\"", "suite"),
            ("suite", "from = \"debian-13\"\nsuite", "from or suite"),
            ("suite = \"bookworm\"", "from = \"tiny\"", "from or suite"),
            ("\"dbus\"", "\"/etc/x.deb\"", "packages holds \"/etc/x.deb\""),
            ("\"dbus\"", "\"--yes\"", "packages"),
            ("\"64M\"", "\"much\"", "minimum.memory"),
            ("suite =", "sweet =", "sweet"),
            ("\"tiny\"", "\"../tiny\"", "no template name"),
            ("\"mysql\"", "\"my:sql\"", "user"),
            ("id = 210", "id = 70000", "70000"),
            ("[minimum]", "[[application.parameter]]\nname = \"X\"\nlabel.en = \"x\"\n[minimum]", "\"X\""),
            ("[minimum]", "[[application.parameter]]\nnme = \"x\"\nlabel.en = \"x\"\n[minimum]", "nme"),
            ("[minimum]", "[application]\nport = 80\n[minimum]", "port"),
            ("[minimum]", "[application]\nforget = [\"/var/../etc\"]\n[minimum]", "forget holds"),
            ("[minimum]", "[application]\nforget = [\"etc\"]\n[minimum]", "forget holds"),
        ] {
            let error = parse_text(&GOOD.replacen(old, new, 1)).unwrap_err();
            let text = model::error_chain(&error);
            assert!(text.contains(want) && text.contains("/r/recipe.toml"), "{new}: {text}");
        }
    }

    #[test]
    fn a_recipe_that_is_like_another_keeps_its_own_keys() {
        let path = Path::new("/r/recipe.toml");
        let (like, _) = table(GOOD, path).unwrap();
        let (own, name) =
            table("like = \"tiny\"\nname = \"small\"\nfrom = \"debian-13\"\n[minimum]\nmemory = \"1G\"\ndisk = \"2G\"\n", path)
                .unwrap();
        assert_eq!(name.unwrap().as_str(), "tiny");
        let parsed = parse(over(like, own), None, path).unwrap();
        assert_eq!(parsed.base, Base::Stage("debian-13".parse().unwrap()));
        assert_eq!((parsed.summary.name.as_str(), parsed.summary.title.as_str()), ("small", "Tiny"));
        assert_eq!(parsed.summary.memory_min, Bytes::mib(1024));
    }
}
