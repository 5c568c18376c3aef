//! `kiste worker metadata`: reads the metadata archive of an image of LXC, Incus or LXD; `kiste worker render`: fills
//! in the texts that were in it.
//!
//! The archive holds `metadata.yaml`, whose `templates` say which text in `templates/` becomes which file, and when.
//! The texts are of Django's kind, of which Jinja's is close enough for what public images have.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Component, Path},
};

use linux::sandbox;
use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig};
use model::{
    file_template::{FILES_MAX, FileTemplate, MadeFile, TEXT_MAX},
    idmap::IdMap,
};
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

use super::{Confinement, run_confined, tell};
use crate::{
    metadata::{Instance, MetadataPlan, RenderPlan},
    report::Report,
    unpack::decompress,
};

const CONFINEMENT: Confinement =
    Confinement { plan_max: 16 << 20, reach: sandbox::Reach::Folder, memory_max: 512 << 20, cpu_max_s: 60 };
/// Most bytes that a metadata archive may unpack to, and most entries.
const ARCHIVE_MAX: u64 = 64 << 20;
const ENTRIES_MAX: usize = 1000;
/// Largest `metadata.yaml`.
const YAML_MAX: u64 = 1 << 20;
/// Steps that filling in one text may take.
const FUEL: u64 = 100_000;

/// Reads the plan and reads the archive, confined.
pub(super) fn run_metadata(ids: IdMap, folder: &Path) -> io::Result<i32> {
    run_confined(ids, folder, &CONFINEMENT, |folder, plan: MetadataPlan| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let data = rustix::fs::openat(folder, &plan.data, flags, Mode::empty())
            .map_err(|e| format!("cannot open {}: {e}", plan.data))?;
        let stream = decompress(File::from(data)).map_err(|e| damaged(&e))?;
        tell(&Report::Files(read(stream)?));
        Ok(())
    })
}

/// Reads the plan and fills the texts in, confined.
pub(super) fn run_render(ids: IdMap, folder: &Path) -> io::Result<i32> {
    run_confined(ids, folder, &CONFINEMENT, |_, plan: RenderPlan| {
        let mut made = Vec::new();
        for template in plan.files {
            match render(&template, &plan.instance) {
                Ok(text) => made.push(MadeFile { text, ..template.file }),
                Err(why) => {
                    tell(&Report::Line(format!("WARN: {} is left out: {why}", template.file.path)));
                }
            }
        }
        tell(&Report::Made(made));
        Ok(())
    })
}

/// `metadata.yaml`, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    templates: BTreeMap<String, Rule>,
}

/// One of its `templates`.
#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    when: Vec<String>,
    template: String,
    #[serde(default)]
    create_only: bool,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    uid: Option<String>,
    #[serde(default)]
    gid: Option<String>,
    #[serde(default)]
    mode: Option<String>,
}

fn damaged(error: &dyn std::fmt::Display) -> String {
    format!("the image's metadata is damaged: {error}")
}

/// The texts of an archive with the files that they become.
fn read(stream: impl Read) -> Result<Vec<FileTemplate>, String> {
    let mut archive = tar::Archive::new(stream.take(ARCHIVE_MAX));
    let (mut yaml, mut texts) = (None, BTreeMap::new());
    for (number, entry) in archive.entries().map_err(|e| damaged(&e))?.enumerate() {
        let entry = entry.map_err(|e| damaged(&e))?;
        if number >= ENTRIES_MAX {
            return Err(damaged(&format!("it holds more than {ENTRIES_MAX} files")));
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|e| damaged(&e))?.into_owned();
        let names: Option<Vec<&str>> = path
            .components()
            .filter(|c| *c != Component::CurDir)
            .map(|c| if let Component::Normal(name) = c { name.to_str() } else { None })
            .collect();
        match names.as_deref() {
            Some(["metadata.yaml"]) => yaml = Some(text_of(entry, YAML_MAX)?),
            Some(["templates", name]) => {
                let name = (*name).to_owned();
                texts.insert(name, text_of(entry, TEXT_MAX as u64)?);
            }
            _ => {}
        }
    }
    let yaml = yaml.ok_or_else(|| damaged(&"metadata.yaml is missing"))?;
    let metadata: Metadata = serde_saphyr::from_str(&yaml).map_err(|e| damaged(&e))?;
    if metadata.templates.len() > FILES_MAX {
        return Err(damaged(&format!("it has more than {FILES_MAX} templates")));
    }
    // A start follows each creation; nothing of what the texts know changes later.
    let is_due = |rule: &Rule| rule.when.iter().any(|w| matches!(w.as_str(), "create" | "copy" | "start"));
    let due = metadata.templates.into_iter().filter(|(_, rule)| is_due(rule));
    due.map(|(path, rule)| file(path, rule, &texts)).collect()
}

fn text_of(entry: impl Read, max: u64) -> Result<String, String> {
    let mut text = String::new();
    entry.take(max + 1).read_to_string(&mut text).map_err(|e| damaged(&e))?;
    if text.len() as u64 > max {
        return Err(damaged(&format!("a text is longer than {max} bytes")));
    }
    Ok(text)
}

fn file(path: String, rule: Rule, texts: &BTreeMap<String, String>) -> Result<FileTemplate, String> {
    let missing = || damaged(&format!("the text {:?} is missing", rule.template));
    let number = |text: &Option<String>, radix, usual| {
        let parse =
            |t: &String| u16::from_str_radix(t, radix).map_err(|_| damaged(&format!("{t:?} is no number")));
        text.as_ref().filter(|t| !t.is_empty()).map_or(Ok(usual), parse)
    };
    let file = MadeFile {
        text: texts.get(&rule.template).ok_or_else(missing)?.clone(),
        is_create_only: rule.create_only,
        uid: number(&rule.uid, 10, 0)?,
        gid: number(&rule.gid, 10, 0)?,
        mode: number(&rule.mode, 8, 0o644)?,
        path,
    };
    match file.fault() {
        Some(fault) => Err(damaged(&fault)),
        None => Ok(FileTemplate { file, properties: rule.properties }),
    }
}

/// A text filled in. Of the container's configuration it gets nothing but what it gives itself as the usual.
fn render(template: &FileTemplate, instance: &Instance) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    environment.set_syntax(syntax.build().map_err(|e| e.to_string())?);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_function("config_get", |_key: String, usual: Value| usual);
    let Instance { name, architecture, kind, privileged, ephemeral } = instance.clone();
    let instance = context! { name, architecture, type => kind, privileged, ephemeral };
    let none = || Value::from(BTreeMap::<String, String>::new());
    let values = context! {
        trigger => "create",
        path => template.file.path.clone(),
        container => instance.clone(),
        instance,
        config => none(),
        devices => none(),
        properties => Value::from(template.properties.clone()),
    };
    let text = environment.render_str(&template.file.text, values).map_err(|e| e.to_string())?;
    if text.len() > TEXT_MAX {
        return Err(format!("it is longer than {TEXT_MAX} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = r#"
architecture: x86_64
creation_date: 1795392000
properties: {os: Alpine, release: "3.22", description: "Alpine 3.22 amd64"}
templates:
  /etc/hostname: {when: [create, copy], template: hostname.tpl}
  /etc/inittab:
    when: [start]
    template: inittab.tpl
    create_only: true
    mode: "0600"
    uid: "7"
    properties: {tty: tty1}
  /etc/never: {when: [rename], template: none.tpl}
"#;

    fn archive(yaml: &str, texts: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let texts = texts.iter().map(|(n, t)| (format!("templates/{n}"), *t));
        for (name, text) in std::iter::once(("metadata.yaml".to_owned(), yaml)).chain(texts) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    const TEXTS: [(&str, &str); 2] = [
        ("hostname.tpl", "{{ container.name }}\n"),
        (
            "inittab.tpl",
            "{% if instance.privileged == \"false\" %}{{ properties.tty }}{% endif %} {{ config_get('user.x', 'usual') }}\n",
        ),
    ];

    #[test]
    fn texts_become_files_as_the_metadata_says() {
        let files = read(&*archive(YAML, &TEXTS)).unwrap();
        let seen: Vec<_> = files
            .iter()
            .map(|f| (f.file.path.as_str(), f.file.uid, f.file.mode, f.file.is_create_only))
            .collect();
        assert_eq!(seen, [("/etc/hostname", 0, 0o644, false), ("/etc/inittab", 7, 0o600, true)]);
        let instance = Instance::named("web");
        let made: Vec<_> = files.iter().map(|f| render(f, &instance).unwrap()).collect();
        assert_eq!(made, ["web\n", "tty1 usual\n"]);
    }

    #[test]
    fn hostile_metadata_is_refused() {
        let bomb = format!(
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n{}",
            (0..30).map(|n| format!("b{n}: &b{n} [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n")).collect::<String>()
        );
        let many: String = (0..=FILES_MAX)
            .map(|n| format!("  /f{n}: {{when: [create], template: hostname.tpl}}\n"))
            .collect();
        for (yaml, why) in [
            (YAML.replace("/etc/hostname", "/../etc/hostname"), "no plain path"),
            (YAML.replace("/etc/hostname", "etc/hostname"), "no plain path"),
            (YAML.replace("hostname.tpl", "../hostname.tpl"), "is missing"),
            (YAML.replace("\"0600\"", "\"4755\""), "permission bits"),
            (YAML.replace("\"7\"", "\"70000\""), "no number"),
            (format!("templates:\n{many}"), "more than 64"),
            ("templates: 3".to_owned(), "damaged"),
            ("\u{0}".to_owned(), "damaged"),
        ] {
            let text = read(&*archive(&yaml, &TEXTS)).unwrap_err();
            assert!(text.contains(why), "{yaml} {text}");
        }
        // Whatever becomes of it, it is soon over.
        let _ = read(&*archive(&bomb, &TEXTS));
        let long = "x".repeat(TEXT_MAX + 1);
        assert!(read(&*archive(YAML, &[("hostname.tpl", &long), TEXTS[1]])).is_err());
        assert!(read(&b"no archive"[..]).is_err());
    }

    #[test]
    fn hostile_texts_are_left_out() {
        let instance = Instance::named("web");
        for text in [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{{ 'x' * 10000000 }}",
            "{% include '/etc/shadow' %}",
            "{{ open('/etc/shadow') }}",
            "{% if %}",
            "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        ] {
            let file = MadeFile {
                path: "/x".into(),
                text: text.into(),
                is_create_only: false,
                uid: 0,
                gid: 0,
                mode: 0o644,
            };
            let template = FileTemplate { file, properties: BTreeMap::new() };
            assert!(render(&template, &instance).is_err(), "{text}");
        }
    }
}
