//! Recipes: folders of plain text from which templates are built. `NAME/recipe.toml` says what,
//! `NAME/hooks/*` are scripts that the build runs, in the order of their names.
//!
//! Everything is read and checked here; the build worker sees no file of a recipe.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use model::{Bytes, TemplateName, template::RecipeSummary};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most hooks, and largest one in bytes.
const HOOKS_MAX: (usize, u64) = (64, 64 << 10);
/// Largest recipe.toml.
const RECIPE_MAX: u64 = 64 << 10;

/// A checked recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What lists show.
    pub summary: RecipeSummary,
    /// Debian's code name of the release.
    pub suite: String,
    /// Packages beside the essential ones; theirs come along, recommended ones do not.
    pub packages: Vec<String>,
    /// Scripts, in their order.
    pub hooks: Vec<Hook>,
}

/// A script that is run with the new tree's path as its only argument, outside the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its file name.
    pub name: String,
    /// The script.
    pub script: String,
}

/// The folder of recipes.
#[derive(Debug, Clone)]
pub struct RecipeFolder(PathBuf);

/// A recipe cannot be had.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// Neither configured nor at the usual places.
    #[error("there is no folder of recipes: set `recipes` in the configuration")]
    NoFolder,
    /// No such folder in it.
    #[error("there is no recipe {name} in {}: {}", folder.display(), known(names))]
    Unknown {
        /// What was asked for.
        name: TemplateName,
        /// Where.
        folder: PathBuf,
        /// What there is.
        names: Vec<TemplateName>,
    },
    /// A file.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// No TOML, an unknown or missing key; the cause names line and key.
    #[error("{} is not valid", .0.display())]
    Toml(PathBuf, #[source] Box<toml::de::Error>),
    /// A value that does not do.
    #[error("{}: {key} {why}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A file among the hooks that is no script.
    #[error("{} is no hook: {why}", path.display())]
    Hook {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
}

fn known(names: &[TemplateName]) -> String {
    let names: Vec<&str> = names.iter().map(TemplateName::as_str).collect();
    if names.is_empty() { "it holds none".into() } else { format!("it holds {}", names.join(", ")) }
}

/// recipe.toml as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    name: TemplateName,
    title: String,
    version: String,
    description: String,
    suite: String,
    packages: Vec<String>,
    minimum: Minimum,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Minimum {
    memory: String,
    disk: String,
}

impl RecipeFolder {
    /// The configured folder, else the one beside the binary, in its checkout, or of the package.
    ///
    /// # Errors
    /// [`RecipeError::NoFolder`].
    pub fn locate(configured: Option<&Path>, binary: &Path) -> Result<Self, RecipeError> {
        if let Some(folder) = configured {
            return Ok(Self(folder.to_owned()));
        }
        // target/release/kiste lies three folders below its checkout.
        let near = [1, 3].iter().filter_map(|n| binary.ancestors().nth(*n));
        let mut places = near
            .map(|p| p.join("container-templates"))
            .chain(["/usr/share/kiste/container-templates".into()]);
        places.find(|p| p.is_dir()).map(Self).ok_or(RecipeError::NoFolder)
    }

    /// Names of all recipes in it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list_names(&self) -> Result<Vec<TemplateName>, RecipeError> {
        let entries = fs::read_dir(&self.0).map_err(|e| RecipeError::Read(self.0.clone(), e))?;
        let names: BTreeSet<TemplateName> = entries
            .flatten()
            .filter(|e| e.path().join("recipe.toml").is_file())
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .collect();
        Ok(names.into_iter().collect())
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`RecipeError`] says what is wrong with it, and where.
    pub fn load(&self, name: &TemplateName) -> Result<Recipe, RecipeError> {
        let names = self.list_names()?;
        if !names.contains(name) {
            return Err(RecipeError::Unknown { name: name.clone(), folder: self.0.clone(), names });
        }
        let folder = self.0.join(name.as_str());
        let path = folder.join("recipe.toml");
        let text = read_text(&path, RECIPE_MAX)?;
        let recipe = parse(&text, &path)?;
        if recipe.summary.name != *name {
            let why = format!("must be the folder's, {name}");
            return Err(RecipeError::Value { path, key: "name", why });
        }
        Ok(Recipe { hooks: read_hooks(&folder.join("hooks"))?, ..recipe })
    }
}

fn read_text(path: &Path, max: u64) -> Result<String, RecipeError> {
    use io::Read;
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|f| f.take(max + 1).read_to_string(&mut text));
    match read {
        Ok(n) if n as u64 > max => {
            let error = io::Error::other(format!("it is larger than {}", Bytes(max)));
            Err(RecipeError::Read(path.to_owned(), error))
        }
        Ok(_) => Ok(text),
        Err(e) => Err(RecipeError::Read(path.to_owned(), e)),
    }
}

/// Checks the text of a recipe.toml; its hooks are not part of it.
fn parse(text: &str, path: &Path) -> Result<Recipe, RecipeError> {
    let file: File = toml::from_str(text).map_err(|e| RecipeError::Toml(path.to_owned(), Box::new(e)))?;
    let value = |key, why: String| RecipeError::Value { path: path.to_owned(), key, why };
    if file.format != 1 {
        return Err(value("format", format!("{} is not known to this version: it must be 1", file.format)));
    }
    for (key, text) in [("title", &file.title), ("description", &file.description)] {
        if text.trim().is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            return Err(value(key, "must be 1 to 200 characters on one line".into()));
        }
    }
    let is_plain = |s: &str, others: &str| {
        s.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
    };
    if !is_plain(&file.version, ".") || file.version.len() > 16 || file.version.contains("..") {
        return Err(value("version", format!("{:?} is not 1 to 16 of a-z, 0-9 and dot", file.version)));
    }
    if !is_plain(&file.suite, "-") || file.suite.len() > 32 {
        return Err(value("suite", format!("{:?} is no release of Debian, such as bookworm", file.suite)));
    }
    if let Some(bad) = file.packages.iter().find(|p| p.len() < 2 || p.len() > 100 || !is_plain(p, "+-.")) {
        return Err(value("packages", format!("holds {bad:?}, which is no package's name")));
    }
    let size = |key, text: &str| text.parse::<Bytes>().map_err(|e| value(key, e.to_string()));
    Ok(Recipe {
        summary: RecipeSummary {
            name: file.name.clone(),
            title: file.title.clone(),
            version: file.version.clone(),
            description: file.description.clone(),
            memory_min: size("minimum.memory", &file.minimum.memory)?,
            disk_min: size("minimum.disk", &file.minimum.disk)?,
        },
        suite: file.suite,
        packages: file.packages,
        hooks: Vec::new(),
    })
}

/// All scripts of a folder; a recipe may have none.
fn read_hooks(folder: &Path) -> Result<Vec<Hook>, RecipeError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| RecipeError::Read(folder.to_owned(), e))?,
    };
    let mut hooks = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| RecipeError::Read(folder.to_owned(), e))?.path();
        let hook = |why| RecipeError::Hook { path: path.clone(), why };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name = path.file_name().and_then(|n| n.to_str());
        let name = name.filter(|n| n.chars().all(plain) && !n.starts_with('.') && n.len() <= 64);
        let name = name.ok_or_else(|| hook("name it with letters, digits, dash, dot and underscore"))?;
        let script = read_text(&path, HOOKS_MAX.1)?;
        if !script.starts_with("#!") {
            return Err(hook("its first line must name its interpreter, such as #!/bin/sh"));
        }
        hooks.push(Hook { name: name.to_owned(), script });
        if hooks.len() > HOOKS_MAX.0 {
            return Err(hook("a recipe may have 64"));
        }
    }
    hooks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(hooks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "format = 1\nname = \"tiny\"\ntitle = \"Tiny\"\nversion = \"1.0\"\n\
        description = \"A tiny one.\"\nsuite = \"bookworm\"\npackages = [\"dbus\", \"g++\"]\n\
        [minimum]\nmemory = \"64M\"\ndisk = \"1G\"\n";

    #[test]
    fn the_recipes_of_this_checkout_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container-templates");
        let folder = RecipeFolder::locate(Some(&folder), Path::new("/")).unwrap();
        let names = folder.list_names().unwrap();
        assert!(names.iter().any(|n| n.as_str() == "debian-12"));
        for name in names {
            let recipe = folder.load(&name).unwrap();
            assert!(!recipe.packages.is_empty() && !recipe.hooks.is_empty());
        }
    }

    #[test]
    fn recipes_are_found_in_the_checkout_that_the_binary_was_built_in() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("target/release/kiste");
        assert!(matches!(
            RecipeFolder::locate(None, Path::new("/no/such/kiste")),
            Err(RecipeError::NoFolder)
        ));
        let folder = dir.path().join("container-templates");
        fs::create_dir(&folder).unwrap();
        assert_eq!(RecipeFolder::locate(None, &binary).unwrap().0, folder);
        let other = dir.path().join("other");
        assert_eq!(RecipeFolder::locate(Some(&other), &binary).unwrap().0, other);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        let path = Path::new("/r/recipe.toml");
        let recipe = parse(GOOD, path).unwrap();
        assert_eq!((recipe.packages.len(), recipe.summary.memory_min), (2, Bytes::mib(64)));
        for (old, new, want) in [
            ("format = 1", "format = 2", "format 2"),
            ("\"Tiny\"", "\"\"", "title"),
            ("\"1.0\"", "\"1/0\"", "version"),
            ("\"bookworm\"", "\"../x\"", "suite"),
            ("\"dbus\"", "\"/etc/x.deb\"", "packages holds \"/etc/x.deb\""),
            ("\"dbus\"", "\"--yes\"", "packages"),
            ("\"64M\"", "\"much\"", "minimum.memory"),
            ("suite =", "sweet =", "sweet"),
            ("\"tiny\"", "\"../tiny\"", "no template name"),
        ] {
            let error = parse(&GOOD.replace(old, new), path).unwrap_err();
            let text = model::error_chain(&error);
            assert!(text.contains(want) && text.contains("/r/recipe.toml"), "{new}: {text}");
        }
    }

    #[test]
    fn a_folder_gives_its_recipes_and_names_them_when_asked_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let tiny = dir.path().join("tiny");
        fs::create_dir_all(tiny.join("hooks")).unwrap();
        fs::create_dir_all(dir.path().join("no-recipe")).unwrap();
        fs::write(tiny.join("recipe.toml"), GOOD).unwrap();
        fs::write(tiny.join("hooks/20-b"), "#!/bin/sh\nb\n").unwrap();
        fs::write(tiny.join("hooks/10-a"), "#!/bin/sh\na\n").unwrap();
        let folder = RecipeFolder::locate(Some(dir.path()), Path::new("/")).unwrap();
        let recipe = folder.load(&"tiny".parse().unwrap()).unwrap();
        assert_eq!(recipe.hooks.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["10-a", "20-b"]);

        let unknown = folder.load(&"no-recipe".parse().unwrap()).unwrap_err().to_string();
        assert!(unknown.ends_with("it holds tiny"), "{unknown}");
        fs::write(tiny.join("hooks/30-c"), "no script").unwrap();
        assert!(matches!(folder.load(&"tiny".parse().unwrap()), Err(RecipeError::Hook { .. })));
        fs::rename(&tiny, dir.path().join("other")).unwrap();
        let error = folder.load(&"other".parse().unwrap()).unwrap_err();
        assert!(matches!(error, RecipeError::Value { key: "name", .. }), "{error}");
    }
}
