//! Creating a container: a table of idempotent steps. Whatever fails, all of it is undone.

use std::sync::Arc;

use images::metadata::Instance;
use model::{
    ContainerConfig, PowerState, Refusal, TaskId, access::UserId, file_template::FileTemplate, task::TaskKind,
};
use protocol::{engine::ApiError, shim::Injection};
use store::{ContainerRow, SealedSecrets, StoreError};

use super::{Failure, Handle, check_cancelled, destroy, power, prepare};
use crate::{
    Engine,
    error::{chain, internal},
};

/// What the steps work on.
pub(crate) struct Work {
    row: ContainerRow,
    injections: Vec<Injection>,
    files: Vec<FileTemplate>,
}

type Step = (&'static str, fn(&Engine, &Handle, &Work) -> Result<(), Failure>);

/// Each step can be done again; [`destroy::remove_all`] undoes any number of them.
const STEPS: [Step; 3] = [("layer", make_layer), ("network", admit), ("settings", inject)];

/// A container to be.
pub(crate) struct New<'a> {
    pub(crate) config: &'a ContainerConfig,
    /// What is kept of its application, sealed.
    pub(crate) secrets: &'a SealedSecrets,
    pub(crate) uuid: String,
    pub(crate) injections: Vec<Injection>,
    /// What its template has for each new container; injections come after them.
    pub(crate) files: Vec<FileTemplate>,
    /// Whether it is started then.
    pub(crate) power: PowerState,
}

/// Reserves number, name, ids and address, and begins the task.
pub(crate) fn create(engine: &Arc<Engine>, new: New<'_>, user: &UserId) -> Result<TaskId, ApiError> {
    let New { config, secrets, uuid, injections, files, power } = new;
    let prepared = prepare(engine, TaskKind::Create, &config.vmid.to_string(), config.name.as_str(), user)?;
    let inserted = engine.store().insert_container(config, secrets, &uuid, prepared.id().as_str());
    let journal = match inserted {
        Ok(journal) => journal,
        Err(StoreError::Taken { what, given }) => {
            return Err(prepared.refuse(Refusal::Taken { what, given }.into()));
        }
        Err(StoreError::TemplateGone(name)) => {
            return Err(prepared.refuse(Refusal::TemplateGone { name: name.to_string() }.into()));
        }
        Err(error) => return Err(prepared.refuse(internal(&error))),
    };
    let row = ContainerRow { config: config.clone(), power: PowerState::Off, last_error: None, uuid };
    let work = Work { row, injections, files };
    prepared.run(move |engine, handle| {
        let made = run_steps(engine, handle, &work);
        if made.is_err() {
            handle.step("undo");
            destroy::remove_all(engine, work.row.config.vmid)?;
        }
        let is_to_start = made.is_ok() && power == PowerState::On;
        // Before the creation's own entry goes: an engine that ends between the two still knows of one.
        let start = is_to_start.then(|| power::journal_start(engine, handle, &work.row)).transpose()?;
        engine.store().finish_journal(journal).map_err(|e| chain(&e))?;
        made?;
        start.map_or(Ok(()), |entry| power::start_journaled(engine, handle, &work.row, entry))
    })
}

fn run_steps(engine: &Engine, handle: &Handle, work: &Work) -> Result<(), Failure> {
    for (name, step) in STEPS {
        check_cancelled(handle)?;
        handle.step(name);
        step(engine, handle, work)?;
    }
    Ok(())
}

fn make_layer(engine: &Engine, _: &Handle, work: &Work) -> Result<(), Failure> {
    engine.pool.create(work.row.config.vmid).map(|_| ()).map_err(|e| chain(&e))
}

fn admit(engine: &Engine, _: &Handle, work: &Work) -> Result<(), Failure> {
    match crate::recover::endpoint(&work.row.config) {
        Some(endpoint) => engine.network.admit(endpoint).map_err(|e| chain(&e)),
        None => Ok(()),
    }
}

fn inject(engine: &Engine, handle: &Handle, work: &Work) -> Result<(), Failure> {
    let plan = power::plan(engine, &work.row)?;
    let mut injections = work.injections.clone();
    if !work.files.is_empty() {
        let config = &work.row.config;
        let unique = format!("files-{}", config.vmid);
        let instance = Instance::named(config.name.as_str());
        let made =
            engine.images.render(work.files.clone(), instance, &unique, &handle.is_cancelled, &mut |line| {
                handle.log(&line)
            });
        // What we set ourselves comes after them, and wins.
        injections.insert(0, Injection::Files(made.map_err(|e| chain(&e))?));
    }
    engine.runtime.inject(&plan, injections).map_err(|e| chain(&e))
}
