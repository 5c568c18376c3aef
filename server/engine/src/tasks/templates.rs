//! Building, importing and removing container templates.

use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use images::{
    Installed, Recipe,
    build::{Event, Order},
    import::plain_manifest,
    recipe::Hook,
};
use model::{
    Digest, TaskId, TemplateName,
    access::UserId,
    file_template::FileTemplate,
    task::TaskKind,
    template::{ContainerTemplate, Manifest, TemplateOrigin},
};
use protocol::engine::ApiError;

use super::{Failure, Handle, prepare};
use crate::{Engine, clock, error::chain, lock};

/// What every build, import and removal holds, so that two never unpack the same layer at once and none
/// removes a layer that another has just unpacked.
const IMPORT: &str = "import";

/// Begins an import.
pub(crate) fn import(
    engine: &Arc<Engine>,
    archive: OwnedFd,
    name: Option<TemplateName>,
    user: &UserId,
) -> Result<TaskId, ApiError> {
    let title = name.as_ref().map_or(IMPORT, TemplateName::as_str).to_owned();
    let prepared = prepare(engine, TaskKind::TemplateImport, IMPORT, &title, user)?;
    let unique = format!("import-{}", prepared.id().parts().map_or(0, |p| p.number));
    prepared.run(move |engine, handle| {
        let origin = TemplateOrigin::Imported;
        let about = About::default();
        let archive = Archive { file: File::from(archive), unique: &unique, name, about, origin };
        install(engine, handle, archive)
    })
}

/// An archive that becomes a template.
pub(crate) struct Archive<'a> {
    /// It, at its start.
    pub(crate) file: File,
    /// Name for the folder in between.
    pub(crate) unique: &'a str,
    /// The template's name; `None`: the one it brings.
    pub(crate) name: Option<TemplateName>,
    /// What it is, for one that brings no manifest.
    pub(crate) about: About,
    /// Where it came from.
    pub(crate) origin: TemplateOrigin,
}

/// What is known of an archive that does not tell it itself; empty: nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// Version; empty: today.
    pub(crate) version: String,
    /// The name for people.
    pub(crate) title: String,
    /// One sentence.
    pub(crate) description: String,
    /// Files that each new container gets.
    pub(crate) files: Vec<FileTemplate>,
}

impl About {
    /// The manifest that it did not bring.
    fn manifest(&self, name: TemplateName, now: i64) -> Manifest {
        let version = if self.version.is_empty() { clock::date(now) } else { self.version.clone() };
        let plain = plain_manifest(name, version, now);
        let description =
            if self.description.is_empty() { plain.description } else { self.description.clone() };
        Manifest { title: self.title.clone(), description, files: self.files.clone(), ..plain }
    }
}

/// Unpacks an archive and makes it a template.
pub(crate) fn install(engine: &Engine, handle: &Handle, archive: Archive<'_>) -> Result<(), Failure> {
    let _alone = lock(&engine.installing);
    let made = unpack(engine, handle, archive);
    tidy(engine, made.and_then(|template| put(engine, &template)))
}

/// Unpacks an archive for a template, which is not stored yet.
fn unpack(engine: &Engine, handle: &Handle, archive: Archive<'_>) -> Result<ContainerTemplate, Failure> {
    let Archive { file, unique, name, about, origin } = archive;
    handle.step("unpack");
    let now = clock::now();
    let fallback = || name.clone().map(|name| about.manifest(name, now));
    let mut shown = 0;
    let installed = engine
        .images
        .import(file, unique, &fallback, &handle.is_cancelled, &mut |bytes| {
            if bytes.0 >= shown + (64 << 20) {
                shown = bytes.0;
                handle.log(&format!("{bytes} unpacked"));
            }
        })
        .map_err(|e| chain(&e))?;
    handle.step("install");
    let manifest = &installed.manifest;
    handle.log(&format!(
        "{} {}: {} in {} layer(s)",
        manifest.name,
        manifest.version,
        installed.size,
        installed.image.layers.len()
    ));
    let name = name.unwrap_or_else(|| installed.manifest.name.clone());
    Ok(template_of(installed, name, origin, now))
}

/// What an installed image is as a template.
pub(super) fn template_of(
    installed: Installed,
    name: TemplateName,
    origin: TemplateOrigin,
    now: i64,
) -> ContainerTemplate {
    let Installed { manifest, image, size } = installed;
    ContainerTemplate {
        name,
        version: manifest.version,
        description: manifest.description,
        architecture: manifest.architecture,
        origin,
        image,
        size,
        packages: manifest.packages,
        installed: now,
        title: manifest.title,
        memory_min: manifest.memory_min,
        application: manifest.application,
        recipe: manifest.recipe,
        sources: manifest.sources,
        files: manifest.files,
    }
}

/// Tells a task how a worker goes on.
pub(super) fn tell(handle: &Handle) -> impl FnMut(Event) {
    |event| match event {
        Event::Step(step) => handle.step(&step),
        Event::Percent(percent) => handle.progress(percent),
        Event::Line(line) => handle.log(&line),
    }
}

/// Makes it a template; an older one of that name goes, with its archive.
pub(super) fn put(engine: &Engine, template: &ContainerTemplate) -> Result<(), Failure> {
    let old = engine.store().find_template(&template.name).map_err(|e| chain(&e))?;
    engine.store().put_template(template).map_err(|e| chain(&e))?;
    match old {
        // One built twice a day has the same archive.
        Some(old) if (old.origin, &old.version) != (template.origin, &template.version) => {
            remove_archive(engine, &old)?;
        }
        _ => {}
    }
    update_index(engine, Some(template))
}

/// Whoever downloads from here is offered what is here now; never what was made from a container, unless somebody
/// signs an index with it.
fn update_index(engine: &Engine, new: Option<&ContainerTemplate>) -> Result<(), Failure> {
    let built = new.filter(|t| t.origin == TemplateOrigin::Built);
    let signed = engine.images.update_index(built, clock::now());
    signed
        .map(drop)
        .map_err(|e| format!("the index of this node's templates is not signed anew: {}", chain(&e)))
}

/// Removes the archive that a build has kept.
fn remove_archive(engine: &Engine, template: &ContainerTemplate) -> Result<(), Failure> {
    if !matches!(template.origin, TemplateOrigin::Built | TemplateOrigin::Container) {
        return Ok(());
    }
    let removed = engine.images.remove_archive(&template.name, &template.version);
    removed.map_err(|e| format!("cannot remove the archive of {}: {e}", template.name))
}

/// Whatever came out of it, no layer stays that nothing stands on.
pub(super) fn tidy(engine: &Engine, done: Result<(), Failure>) -> Result<(), Failure> {
    let tidied = remove_unused(engine);
    done.and(tidied)
}

/// Begins a build; the finished archive is kept and installed. `stages` are the recipe and what it stands on,
/// the lowest first.
pub(crate) fn build(engine: &Arc<Engine>, stages: Vec<Recipe>, user: &UserId) -> Result<TaskId, ApiError> {
    let name = stages.last().map_or(IMPORT, |r| r.summary.name.as_str()).to_owned();
    let prepared = prepare(engine, TaskKind::TemplateBuild, IMPORT, &name, user)?;
    let number = prepared.id().parts().map_or(0, |p| p.number);
    prepared.run(move |engine, handle| {
        if let Some(mirror) = &engine.config.mirror {
            handle.log(&format!("WARN: packages come from {mirror} only, without separate security updates"));
        }
        let done = build_stages(engine, handle, &stages, number);
        let _alone = lock(&engine.installing);
        tidy(engine, done)
    })
}

fn build_stages(engine: &Engine, handle: &Handle, stages: &[Recipe], number: u32) -> Result<(), Failure> {
    let (mut parent, mut below) = (None, None);
    for (stage, recipe) in stages.iter().enumerate() {
        let is_last = stage + 1 == stages.len();
        let digest = recipe.digest(below.as_ref());
        parent = match kept(engine, recipe, &digest).filter(|_| !is_last) {
            Some(archive) => {
                handle.log(&format!("on {}", recipe.summary.title));
                Some(archive)
            }
            None => {
                let finish = stages[..=stage].iter().flat_map(|r| r.finish.clone()).collect();
                let order = Stage { recipe, parent: parent.as_deref(), digest: digest.clone(), finish };
                Some(build_stage(engine, handle, order, &format!("{number}-{stage}"))?)
            }
        };
        below = Some(digest);
    }
    Ok(())
}

/// The archive of a recipe that was built as it is now.
fn kept(engine: &Engine, recipe: &Recipe, digest: &Digest) -> Option<PathBuf> {
    let template = engine.store().find_template(&recipe.summary.name).ok()??;
    let is_same = template.recipe.as_ref() == Some(digest);
    engine.images.kept_archive(&template.name, &template.version).filter(|_| is_same)
}

/// A recipe on what it stands on.
struct Stage<'a> {
    recipe: &'a Recipe,
    parent: Option<&'a Path>,
    digest: Digest,
    finish: Vec<Hook>,
}

fn build_stage(engine: &Engine, handle: &Handle, stage: Stage<'_>, unique: &str) -> Result<PathBuf, Failure> {
    let now = clock::now();
    let Stage { recipe, parent, digest, finish } = stage;
    let earlier = engine.store().find_template(&recipe.summary.name).map_err(|e| chain(&e))?;
    let known = earlier.map(|t| t.sources).unwrap_or_default();
    let order = Order {
        recipe,
        parent,
        digest,
        finish,
        version: format!("{}.{}", recipe.summary.version, clock::date(now)),
        // The day, not the second: two builds of one day from the same packages are the same bytes.
        date: now - now.rem_euclid(86_400),
        mirror: engine.config.mirror.as_deref(),
        source_mirrors: &engine.config.source_mirrors,
        known: &known,
    };
    handle.log(&format!("builds {} {}", recipe.summary.name, order.version));
    let built = engine
        .images
        .build(&order, &format!("build-{unique}"), &handle.is_cancelled, &mut tell(handle))
        .map_err(|e| chain(&e))?;
    let archive = Archive {
        file: built.archive().map_err(|e| chain(&e))?,
        unique: &format!("import-{unique}"),
        name: Some(recipe.summary.name.clone()),
        about: About::default(),
        origin: TemplateOrigin::Built,
    };
    let _alone = lock(&engine.installing);
    let template = unpack(engine, handle, archive)?;
    // Kept before it is a template: a build that failed has made none.
    let path = built.keep().map_err(|e| chain(&e))?;
    handle.log(&format!("archive {}", path.display()));
    put(engine, &template)?;
    Ok(path)
}

/// Begins a removal.
pub(crate) fn remove(engine: &Arc<Engine>, name: &TemplateName, user: &UserId) -> Result<TaskId, ApiError> {
    let name = name.clone();
    prepare(engine, TaskKind::TemplateRemove, IMPORT, name.as_str(), user)?.run(move |engine, handle| {
        handle.step("remove");
        let _alone = lock(&engine.installing);
        let old = engine.store().find_template(&name).map_err(|e| chain(&e))?;
        engine.store().delete_template(&name).map_err(|e| chain(&e))?;
        let removed = old.map_or(Ok(()), |template| remove_archive(engine, &template));
        tidy(engine, removed.and_then(|()| update_index(engine, None)))
    })
}

/// Removes layers that nothing stands on, such as those of an import that was cut off.
pub(crate) fn remove_unused(engine: &Engine) -> Result<(), Failure> {
    let used = engine.store().layers_in_use().map_err(|e| chain(&e))?;
    let entries = std::fs::read_dir(engine.config.data_dir.join("layers")).map_err(|e| e.to_string())?;
    for digest in entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<model::Digest>().ok()) {
        if !used.contains(&digest) {
            engine
                .images
                .remove_layer(&digest)
                .map_err(|e| format!("cannot remove layer {}: {e}", digest.short()))?;
        }
    }
    Ok(())
}
