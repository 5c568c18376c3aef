//! Calls about container templates.

use std::{os::fd::OwnedFd, sync::Arc};

use images::{Recipe, RecipeError, RecipeFolder};
use model::{
    ContainerStatus, Refusal, TaskId,
    access::{ObjectPath, Privilege},
    refusal::{Deed, Thing},
    template::{ContainerTemplate, TemplateOrigin},
};
use protocol::engine::{
    ApiError, ErrorKind,
    calls::{BuildTemplate, CreateTemplate, ImportTemplate, RemoveTemplate},
    view::{AvailableRecipe, RecipeState},
};

use super::{containers::find, power::require};
use crate::{
    Engine,
    access::Caller,
    error::{chain, internal, unavailable},
    server::Outcome,
    tasks::{from_container, templates},
};

pub(super) fn list(engine: &Engine, caller: &Caller) -> Result<Vec<ContainerTemplate>, ApiError> {
    caller.authorise(Privilege::DatastoreAudit, &ObjectPath::Storage)?;
    engine.store().list_templates().map_err(|e| internal(&e))
}

/// An empty file without a name, gone with its last descriptor, for an upload.
pub(super) fn new_spool(engine: &Engine, caller: &Caller) -> Result<Outcome, ApiError> {
    caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let file = storage::new_spool(&engine.config.data_dir).map_err(|e| internal(&e))?;
    Ok(Outcome { fds: vec![file], ..Outcome::from(serde_json::Value::Null) })
}

pub(super) fn import(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ImportTemplate,
    fds: Vec<OwnedFd>,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let archive = fds.into_iter().next();
    let archive = archive.ok_or(Refusal::NoArchive)?;
    templates::import(engine, archive, call.name.clone(), &grant.user)
}

/// Recipes that can be built; one that is not sound is left out here, and said why when it is built.
pub(super) fn list_recipes(engine: &Engine, caller: &Caller) -> Result<Vec<AvailableRecipe>, ApiError> {
    caller.authorise(Privilege::DatastoreAudit, &ObjectPath::Storage)?;
    let folder = recipes(engine).map_err(|e| refuse(&e))?;
    let templates = engine.store().list_templates().map_err(|e| internal(&e))?;
    let load = |name| match folder.load_stages(&name) {
        Ok(stages) => available(stages, &templates),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "a recipe is left out");
            None
        }
    };
    Ok(folder.list_names().map_err(|e| refuse(&e))?.into_iter().filter_map(load).collect())
}

/// The last of the stages, beside what is installed.
fn available(stages: Vec<Recipe>, templates: &[ContainerTemplate]) -> Option<AvailableRecipe> {
    let digest = stages.iter().fold(None, |below, recipe| Some(recipe.digest(below.as_ref())));
    let recipe = stages.into_iter().next_back()?.summary;
    let installed = templates.iter().find(|t| t.name == recipe.name);
    let state = match installed {
        None => RecipeState::New,
        Some(template) if template.recipe == digest => RecipeState::Built,
        Some(_) => RecipeState::Changed,
    };
    Some(AvailableRecipe { recipe, state, installed: installed.map(|t| t.version.clone()) })
}

pub(super) fn build(engine: &Arc<Engine>, caller: &Caller, call: &BuildTemplate) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let stages = recipes(engine).and_then(|f| f.load_stages(&call.recipe)).map_err(|e| refuse(&e))?;
    images::build::check_tools().map_err(|e| unavailable(&e))?;
    templates::build(engine, stages, &grant.user)
}

/// Stopped, or frozen: nobody may write while its layer is read.
const AT_REST: [ContainerStatus; 3] =
    [ContainerStatus::Stopped, ContainerStatus::Failed, ContainerStatus::Frozen];

pub(super) fn create(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &CreateTemplate,
) -> Result<TaskId, ApiError> {
    let (row, _) = find(engine, caller, &call.container, Privilege::VmAllocate)?;
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    require(engine, &row, &AT_REST, Deed::MakeTemplate)?;
    let old = engine.store().find_template(&call.name).map_err(|e| internal(&e))?;
    // Whoever makes one a second time wants that; what was built or downloaded is not lost by a slip.
    if old.is_some_and(|t| t.origin != TemplateOrigin::Container) {
        return Err(Refusal::Taken { what: Thing::Name, given: call.name.to_string() }.into());
    }
    from_container::create(engine, row.config, &call.name, &grant.user)
}

fn recipes(engine: &Engine) -> Result<RecipeFolder, RecipeError> {
    RecipeFolder::locate(engine.config.recipes.as_deref(), &engine.images.worker)
}

fn refuse(error: &RecipeError) -> ApiError {
    let kind = match error {
        RecipeError::Unknown { .. } => ErrorKind::NotFound,
        RecipeError::NoFolder | RecipeError::Read(..) => ErrorKind::Unavailable,
        RecipeError::Toml(..)
        | RecipeError::Value { .. }
        | RecipeError::Hook { .. }
        | RecipeError::Circle(_) => ErrorKind::Invalid,
    };
    // A parser's text has several lines and the operator reads one.
    ApiError::new(kind, chain(error).split_whitespace().collect::<Vec<_>>().join(" "))
}

pub(super) fn remove(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &RemoveTemplate,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    if engine.store().find_template(&call.template).map_err(|e| internal(&e))?.is_none() {
        return Err(Refusal::NoTemplate { name: call.template.to_string() }.into());
    }
    templates::remove(engine, &call.template, &grant.user)
}
