//! Building, importing and removing container templates.

use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use images::{
    Recipe,
    build::{Event, Order},
    import::plain_manifest,
    recipe::Hook,
};
use model::{
    Digest, TaskId, TemplateName,
    access::UserId,
    task::TaskKind,
    template::{ContainerTemplate, TemplateOrigin},
};
use protocol::engine::ApiError;

use super::{Failure, Handle, prepare};
use crate::{Engine, clock, error::chain};

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
        install(engine, handle, File::from(archive), &unique, name, TemplateOrigin::Imported)
    })
}

/// Unpacks an archive and makes it a template.
fn install(
    engine: &Engine,
    handle: &Handle,
    archive: File,
    unique: &str,
    name: Option<TemplateName>,
    origin: TemplateOrigin,
) -> Result<(), Failure> {
    handle.step("unpack");
    let now = clock::now();
    let fallback = || name.clone().map(|name| plain_manifest(name, clock::date(now), now));
    let mut shown = 0;
    let installed = engine
        .images
        .import(archive, unique, &fallback, &handle.is_cancelled, &mut |bytes| {
            if bytes.0 >= shown + (64 << 20) {
                shown = bytes.0;
                handle.log(&format!("{bytes} unpacked"));
            }
        })
        .map_err(|e| chain(&e))?;
    handle.step("install");
    let manifest = installed.manifest;
    handle.log(&format!(
        "{} {}: {} in {} layer(s)",
        manifest.name,
        manifest.version,
        installed.size,
        installed.image.layers.len()
    ));
    let template = ContainerTemplate {
        name: name.unwrap_or(manifest.name),
        version: manifest.version,
        description: manifest.description,
        architecture: manifest.architecture,
        origin,
        image: installed.image,
        size: installed.size,
        packages: manifest.packages,
        installed: now,
        title: manifest.title,
        memory_min: manifest.memory_min,
        application: manifest.application,
        recipe: manifest.recipe,
    };
    engine.store().put_template(&template).map_err(|e| chain(&e))?;
    remove_unused(engine)
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
    })
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
    let order = Order {
        recipe,
        parent,
        digest,
        finish,
        version: format!("{}.{}", recipe.summary.version, clock::date(now)),
        // The day, not the second: two builds of one day from the same packages are the same bytes.
        date: now - now.rem_euclid(86_400),
        mirror: engine.config.mirror.as_deref(),
    };
    handle.log(&format!("builds {} {}", recipe.summary.name, order.version));
    let built = engine
        .images
        .build(&order, &format!("build-{unique}"), &handle.is_cancelled, &mut |event| match event {
            Event::Step(step) => handle.step(&step),
            Event::Percent(percent) => handle.progress(percent),
            Event::Line(line) => handle.log(&line),
        })
        .map_err(|e| chain(&e))?;
    let archive = built.archive().map_err(|e| chain(&e))?;
    let name = Some(recipe.summary.name.clone());
    install(engine, handle, archive, &format!("import-{unique}"), name, TemplateOrigin::Built)?;
    let path = built.keep().map_err(|e| chain(&e))?;
    handle.log(&format!("archive {}", path.display()));
    Ok(path)
}

/// Begins a removal.
pub(crate) fn remove(engine: &Arc<Engine>, name: &TemplateName, user: &UserId) -> Result<TaskId, ApiError> {
    let name = name.clone();
    prepare(engine, TaskKind::TemplateRemove, IMPORT, name.as_str(), user)?.run(move |engine, handle| {
        handle.step("remove");
        engine.store().delete_template(&name).map_err(|e| chain(&e))?;
        remove_unused(engine)
    })
}

/// Removes layers that nothing stands on.
fn remove_unused(engine: &Engine) -> Result<(), super::Failure> {
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
