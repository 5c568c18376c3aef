//! Tasks: one thread each, one at a time on an object, with steps, progress, log and cancel.
//!
//! A panic ends its task, not the engine. What a task does to the host is journaled by the operation.

pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod from_container;
pub(crate) mod power;
pub(crate) mod sources;
pub(crate) mod templates;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use model::{
    Refusal, TaskId, Vmid,
    access::UserId,
    task::{Task, TaskIdParts, TaskKind, TaskState},
};
use protocol::engine::{ApiError, events::Event};

use crate::{Engine, clock, error::internal, lock};

/// Why a task failed, for the operator.
pub(crate) type Failure = String;

/// Tasks at work, by object.
#[derive(Debug, Default)]
pub(crate) struct Running {
    by_object: Mutex<HashMap<String, (TaskId, Arc<AtomicBool>)>>,
    /// Whether the engine ends: changed and read with the list locked only.
    is_closed: AtomicBool,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (TaskId, Arc<AtomicBool>)>> {
        lock(&self.by_object)
    }

    /// No task begins any more; gives those that are at work on containers.
    pub(crate) fn close(&self) -> Vec<TaskId> {
        let running = self.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        let on_containers = running.iter().filter(|(object, _)| object.parse::<Vmid>().is_ok());
        on_containers.map(|(_, (id, _))| id.clone()).collect()
    }

    /// All tasks at work.
    pub(crate) fn ids(&self) -> Vec<TaskId> {
        self.lock().values().map(|(id, _)| id.clone()).collect()
    }

    /// The task at work on an object.
    pub(crate) fn task_on(&self, object: &str) -> Option<TaskId> {
        self.lock().get(object).map(|(id, _)| id.clone())
    }

    /// Asks a task to end; `false` when it is not at work.
    pub(crate) fn cancel(&self, id: &TaskId) -> bool {
        let running = self.lock();
        let found = running.values().find(|(running, _)| running == id);
        found.is_some_and(|(_, flag)| {
            flag.store(true, Ordering::Relaxed);
            true
        })
    }
}

/// A task that has its id and holds its object, and was not begun.
#[derive(Debug)]
pub(crate) struct Prepared {
    engine: Arc<Engine>,
    task: Task,
    is_cancelled: Arc<AtomicBool>,
}

/// What a task's work uses to tell how it goes.
#[derive(Debug)]
pub(crate) struct Handle {
    engine: Arc<Engine>,
    task: Mutex<Task>,
    /// Set when somebody wants it to end.
    pub(crate) is_cancelled: Arc<AtomicBool>,
}

/// Takes the object for a new task; refused while another one has it.
pub(crate) fn prepare(
    engine: &Arc<Engine>,
    kind: TaskKind,
    object: &str,
    title: &str,
    user: &UserId,
) -> Result<Prepared, ApiError> {
    let mut running = engine.running.lock();
    if engine.running.is_closed.load(Ordering::Relaxed) {
        return Err(Refusal::Ending.into());
    }
    if let Some((other, _)) = running.get(object) {
        let refusal = Refusal::Busy { name: title.to_owned(), task: other.to_string() };
        return Err(ApiError { task: Some(other.clone()), ..refusal.into() });
    }
    let number = engine.store().next_task_number().map_err(|e| internal(&e))?;
    let started = clock::now();
    let id = TaskId::new(&TaskIdParts {
        node: engine.config.node.clone(),
        number,
        engine_start: engine.started,
        start: clock::now_u32(),
        kind,
        object: object.to_owned(),
        user: user.clone(),
    });
    let task = Task {
        id: id.clone(),
        kind,
        object: object.to_owned(),
        title: title.to_owned(),
        user: user.clone(),
        state: TaskState::Running,
        step: None,
        progress: None,
        error: None,
        started,
        ended: None,
    };
    engine.store().put_task(&task).map_err(|e| internal(&e))?;
    let is_cancelled = Arc::new(AtomicBool::new(false));
    running.insert(object.to_owned(), (id, Arc::clone(&is_cancelled)));
    Ok(Prepared { engine: Arc::clone(engine), task, is_cancelled })
}

impl Prepared {
    /// Its id.
    pub(crate) fn id(&self) -> &TaskId {
        &self.task.id
    }

    /// Lets go of the object: the call was refused after all.
    pub(crate) fn refuse(mut self, error: ApiError) -> ApiError {
        self.task.error = Some(error.message.clone());
        self.task.state = TaskState::Failed;
        self.task.ended = Some(clock::now());
        let _ = self.engine.store().put_task(&self.task);
        self.engine.running.lock().remove(&self.task.object);
        error
    }

    /// Begins the work on a thread of its own.
    pub(crate) fn run(
        self,
        work: impl FnOnce(&Arc<Engine>, &Handle) -> Result<(), Failure> + Send + 'static,
    ) -> Result<TaskId, ApiError> {
        let id = self.task.id.clone();
        let Self { engine, task, is_cancelled } = self;
        let object = task.object.clone();
        let handle = Handle { engine: Arc::clone(&engine), task: Mutex::new(task), is_cancelled };
        let spawned = thread::Builder::new().name("task".into()).spawn(move || {
            handle.tell();
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&handle.engine, &handle)));
            handle.end(
                result.unwrap_or_else(|_| Err("the task broke: the engine's log has the details".into())),
            );
        });
        if let Err(error) = spawned {
            engine.running.lock().remove(&object);
            return Err(crate::error::unavailable(&error));
        }
        Ok(id)
    }
}

impl Handle {
    fn task(&self) -> MutexGuard<'_, Task> {
        lock(&self.task)
    }

    fn tell(&self) {
        let task = self.task().clone();
        if let Err(error) = self.engine.store().put_task(&task) {
            tracing::error!(error = %crate::error::chain(&error), "a task could not be stored");
        }
        self.engine.hub.tell(&Event::Task(task));
    }

    /// The task's id.
    pub(crate) fn id(&self) -> TaskId {
        self.task().id.clone()
    }

    /// The next step begins.
    pub(crate) fn step(&self, step: &str) {
        {
            let mut task = self.task();
            task.step = Some(step.to_owned());
            task.progress = None;
        }
        self.log(&format!("step {step}"));
        self.tell();
    }

    /// So many percent of the step are done.
    pub(crate) fn progress(&self, percent: u8) {
        self.task().progress = Some(percent.min(100));
        self.tell();
    }

    /// A line for the log.
    pub(crate) fn log(&self, text: &str) {
        let id = self.task().id.clone();
        let text: String = text.chars().filter(|c| !c.is_control()).take(2000).collect();
        if let Ok(Some(from)) = self.engine.store().append_task_log(&id, &text) {
            self.engine.hub.tell(&Event::TaskLog { task: id, from, lines: vec![text] });
        }
    }

    fn end(&self, result: Result<(), Failure>) {
        let object = {
            let mut task = self.task();
            task.ended = Some(clock::now());
            task.state = match &result {
                Ok(()) => TaskState::Done,
                Err(_) if self.is_cancelled.load(Ordering::Relaxed) => TaskState::Cancelled,
                Err(_) => TaskState::Failed,
            };
            task.error = result.as_ref().err().cloned();
            task.object.clone()
        };
        self.log(&result.map_or_else(|error| format!("TASK ERROR: {error}"), |()| "TASK OK".to_owned()));
        // Free before it is told: who hears of the end may begin the next one.
        self.engine.running.lock().remove(&object);
        self.tell();
        if let Ok(vmid) = object.parse() {
            crate::observe::look_again(&self.engine, vmid);
            crate::observe::tell(&self.engine, vmid);
        }
    }
}

/// Refuses to go on after a cancel.
pub(crate) fn check_cancelled(handle: &Handle) -> Result<(), Failure> {
    if handle.is_cancelled.load(Ordering::Relaxed) { Err("cancelled".into()) } else { Ok(()) }
}
