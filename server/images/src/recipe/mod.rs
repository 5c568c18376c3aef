//! Recipes: folders of plain text from which templates are built.
//!
//! | in `NAME/` | what |
//! | --- | --- |
//! | `recipe.toml` | what it is, stands on and needs |
//! | `files/` | files that are put into the tree as they lie there |
//! | `hooks/` | scripts that the build then runs on the tree, in the order of their names |
//! | `finish/` | scripts that run last, also in every stage that stands on this one |
//!
//! A recipe stands on a release of Debian (`suite`) or on another recipe (`from`), whose layers its own
//! then lies on; it may take what it does not say itself from another (`like`). Everything is read and
//! checked here; the build worker sees no file of a recipe.

mod file;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use model::{Bytes, Digest, TemplateName, template::RecipeSummary};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use source::{Place, RecipeSource, SourceSignature};

/// Most hooks or files, and largest one in bytes.
const HOOKS_MAX: (usize, u64) = (64, 64 << 10);
/// Largest recipe.toml.
const RECIPE_MAX: u64 = 64 << 10;
/// Most stages below a recipe.
const STAGES_MAX: usize = 8;

/// A checked recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// What lists show.
    pub summary: RecipeSummary,
    /// What it stands on.
    pub base: Base,
    /// Packages beside those; what these need comes along, what they recommend does not.
    pub packages: Vec<String>,
    /// Users whose ids are the same in every build.
    pub users: Vec<SystemUser>,
    /// What is fetched from vendors and put into the tree after the packages.
    pub sources: Vec<RecipeSource>,
    /// What is put into the tree.
    pub files: Vec<RecipeFile>,
    /// Scripts, in their order.
    pub hooks: Vec<Hook>,
    /// Scripts that run last, also for every recipe that stands on this one.
    pub finish: Vec<Hook>,
}

impl Recipe {
    /// Identifies what it says, with what it stands on: another one means another template.
    #[must_use]
    pub fn digest(&self, below: Option<&Digest>) -> Digest {
        // Plain data: it can always be written.
        let text = serde_json::to_vec(&(self, below)).unwrap_or_default();
        Digest::from_bytes(&Sha256::digest(text).into())
    }
}

/// What a recipe stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Base {
    /// Debian's essential packages of a release, by its code name.
    Suite(String),
    /// The template of another recipe.
    Stage(TemplateName),
}

/// A user and group of the system that packages would make with any free id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemUser {
    /// Name of both.
    pub name: String,
    /// Number of both.
    pub id: u16,
    /// Home.
    #[serde(default = "SystemUser::homeless")]
    pub home: String,
}

impl SystemUser {
    fn homeless() -> String {
        "/nonexistent".to_owned()
    }

    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        let Self { name, id, home } = self;
        let is_path =
            home.starts_with('/') && home.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
        if !file::is_plain(name, "-_") || name.len() > 32 {
            return Some(format!("{name:?} is no user's name"));
        }
        if !(200..=899).contains(id) {
            return Some(format!("{name}: id {id} is not among 200 to 899, which Debian leaves alone"));
        }
        (!is_path).then(|| format!("{name}: home {home:?} is no absolute path"))
    }
}

/// A script that is run with the new tree's path as its only argument, outside the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its file name.
    pub name: String,
    /// The script.
    pub script: String,
}

/// A file for the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeFile {
    /// Where, without a slash in front.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Whether it can be run.
    pub is_executable: bool,
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
    /// A recipe that stands on itself, or on too many.
    #[error("recipe {0} stands on itself, or on more than {STAGES_MAX} others: mend `from` and `like`")]
    Circle(TemplateName),
    /// A file among the hooks or files that cannot be one.
    #[error("{} cannot be used: {why}", path.display())]
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
        let (path, text) = self.read(name)?;
        let (own, like) = file::table(&text, &path)?;
        let (parsed, folders) = match like {
            None => (file::parse(own, Some(&text), &path)?, vec![name.clone()]),
            Some(like) => {
                let (like_path, like_text) = self.read(&like)?;
                let (table, further) = file::table(&like_text, &like_path)?;
                if further.is_some() {
                    return Err(RecipeError::Circle(name.clone()));
                }
                (file::parse(file::over(table, own), None, &path)?, vec![like, name.clone()])
            }
        };
        if parsed.summary.name != *name {
            let why = format!("must be the folder's, {name}");
            return Err(RecipeError::Value { path, key: "name", why });
        }
        let (mut files, mut hooks, mut finish) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for folder in folders.iter().map(|f| self.0.join(f.as_str())) {
            // What is of the same name here takes the place of the other's.
            files.extend(read_files(&folder.join("files"))?.into_iter().map(|f| (f.path.clone(), f)));
            hooks.extend(read_hooks(&folder.join("hooks"))?.into_iter().map(|h| (h.name.clone(), h)));
            finish.extend(read_hooks(&folder.join("finish"))?.into_iter().map(|h| (h.name.clone(), h)));
        }
        Ok(Recipe {
            summary: parsed.summary,
            base: parsed.base,
            packages: parsed.packages,
            users: parsed.users,
            sources: parsed.sources,
            files: files.into_values().collect(),
            hooks: hooks.into_values().collect(),
            finish: finish.into_values().collect(),
        })
    }

    /// Reads one and all that it stands on, the lowest first.
    ///
    /// # Errors
    /// As [`RecipeFolder::load`]; [`RecipeError::Circle`].
    pub fn load_stages(&self, name: &TemplateName) -> Result<Vec<Recipe>, RecipeError> {
        let mut stages = vec![self.load(name)?];
        while let Some(Base::Stage(below)) = stages.last().map(|r| r.base.clone()) {
            if stages.len() > STAGES_MAX || stages.iter().any(|r| r.summary.name == below) {
                return Err(RecipeError::Circle(name.clone()));
            }
            stages.push(self.load(&below)?);
        }
        stages.reverse();
        Ok(stages)
    }

    /// A recipe's file and its text.
    fn read(&self, name: &TemplateName) -> Result<(PathBuf, String), RecipeError> {
        let names = self.list_names()?;
        if !names.contains(name) {
            return Err(RecipeError::Unknown { name: name.clone(), folder: self.0.clone(), names });
        }
        let path = self.0.join(name.as_str()).join("recipe.toml");
        let text = read_text(&path, RECIPE_MAX)?;
        Ok((path, text))
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

/// All files below a folder, by their paths; a recipe may have none.
fn read_files(top: &Path) -> Result<Vec<RecipeFile>, RecipeError> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(below) = folders.pop() {
        let folder = top.join(&below);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && below.is_empty() => return Ok(files),
            other => other.map_err(|e| RecipeError::Read(folder.clone(), e))?,
        };
        for entry in entries {
            let path = entry.map_err(|e| RecipeError::Read(folder.clone(), e))?.path();
            let unusable = |why| RecipeError::Hook { path: path.clone(), why };
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
            let name = path.file_name().and_then(|n| n.to_str());
            let name = name.filter(|n| n.chars().all(plain) && n.len() <= 128);
            let name = name.ok_or_else(|| unusable("name it with letters, digits and -_.@+"))?;
            let name = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let about = fs::symlink_metadata(&path).map_err(|e| RecipeError::Read(path.clone(), e))?;
            if about.is_dir() {
                folders.push(name);
            } else if about.is_file() {
                let is_executable = about.permissions().mode() & 0o100 != 0;
                files.push(RecipeFile { path: name, text: read_text(&path, HOOKS_MAX.1)?, is_executable });
            } else {
                return Err(unusable("it is neither file nor folder: make links in a hook"));
            }
            if files.len() + folders.len() > HOOKS_MAX.0 {
                return Err(unusable("a recipe may have 64 files"));
            }
        }
    }
    Ok(files)
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
        description = \"A tiny one.\"\nsuite = \"bookworm\"\npackages = [\"dbus\"]\n\
        [minimum]\nmemory = \"64M\"\ndisk = \"1G\"\n";

    #[test]
    fn the_recipes_of_this_checkout_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container-templates");
        let folder = RecipeFolder::locate(Some(&folder), Path::new("/")).unwrap();
        let names = folder.list_names().unwrap();
        assert!(names.iter().any(|n| n.as_str() == "debian-12"));
        for name in names {
            let stages = folder.load_stages(&name).unwrap();
            assert!(matches!(stages[0].base, Base::Suite(_)) && !stages[0].finish.is_empty(), "{name}");
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

    #[test]
    fn stages_are_found_from_the_lowest_up_and_circles_too() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, file: &str| {
            let files = dir.path().join(name).join("files/etc");
            fs::create_dir_all(&files).unwrap();
            fs::write(files.join("motd"), file).unwrap();
            fs::write(dir.path().join(name).join("recipe.toml"), text).unwrap();
        };
        put("tiny", GOOD, "tiny");
        let on_tiny = |name: &str| {
            GOOD.replace("suite = \"bookworm\"", "from = \"tiny\"")
                .replace("\"tiny\"\nt", &format!("\"{name}\"\nt"))
        };
        put("blog", &on_tiny("blog"), "blog");
        put("wiki", "like = \"blog\"\nname = \"wiki\"\n", "wiki");
        let folder = RecipeFolder::locate(Some(dir.path()), Path::new("/")).unwrap();
        let stages = |name: &str| folder.load_stages(&name.parse().unwrap());
        let names = |all: &[Recipe]| all.iter().map(|r| r.summary.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&stages("wiki").unwrap()), ["tiny", "wiki"]);
        let wiki = stages("wiki").unwrap().pop().unwrap();
        assert_eq!((wiki.files.len(), wiki.files[0].path.as_str()), (1, "etc/motd"));
        assert_eq!(wiki.files[0].text, "wiki");
        put("tiny", &GOOD.replace("suite = \"bookworm\"", "from = \"wiki\""), "");
        put("blog", &on_tiny("blog"), "");
        assert!(matches!(stages("blog"), Err(RecipeError::Circle(_))));
        put("tiny", "like = \"wiki\"\nname = \"tiny\"\n", "");
        assert!(matches!(stages("tiny"), Err(RecipeError::Circle(_))));
        std::os::unix::fs::symlink("/etc/shadow", dir.path().join("wiki/files/etc/link")).unwrap();
        put("tiny", GOOD, "");
        assert!(matches!(stages("wiki"), Err(RecipeError::Hook { .. })));
    }
}
