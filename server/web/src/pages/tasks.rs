//! `/tasks`, `/tasks/{id}`: what was done, by whom, with steps, log and cause of failure.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use model::{
    Refusal, TaskId,
    task::{Task, TaskKind, TaskState},
};
use protocol::engine::{
    ApiError,
    calls::{CancelTask, GetTask, GetTaskLog, ListTasks},
};

use super::{Frame, page, see_other_with};
use crate::{
    engine::EngineClient,
    error::{PageError, form_urlencode},
    form::Form,
    format,
    text::Language,
    visitor::SignedIn,
};

/// A task as pages show it.
#[derive(Debug, Clone)]
pub(crate) struct TaskView {
    /// What its live values are found by.
    pub(crate) key: String,
    /// Its id.
    pub(crate) id: String,
    /// What it does, with what.
    pub(crate) title: String,
    /// How it stands.
    pub(crate) state: String,
    /// For class names: a container's status of the same colour.
    pub(crate) class: &'static str,
    /// The icon's name.
    pub(crate) icon: &'static str,
    /// The step it is at or failed at.
    pub(crate) step: String,
    /// Progress of the step.
    pub(crate) progress: Option<u8>,
    /// What failed; empty: nothing.
    pub(crate) error: String,
    /// Who asked.
    pub(crate) user: String,
    /// Unix seconds.
    pub(crate) started: i64,
    /// How long it took.
    pub(crate) duration: String,
    /// Whether it is at work.
    pub(crate) is_running: bool,
    /// What to look at when it is done; empty: nothing.
    pub(crate) link: String,
}

impl TaskView {
    /// Of a task.
    pub(crate) fn of(language: Language, task: &Task) -> Self {
        let (state_key, class, icon) = match task.state {
            TaskState::Running => ("task-running", "creating", "loader"),
            TaskState::Done => ("task-done", "running", "circle-check"),
            TaskState::Failed => ("task-failed", "failed", "circle-x"),
            TaskState::Cancelled => ("task-cancelled", "stopped", "x"),
        };
        let took = task.ended.map(|end| u64::try_from(end - task.started).unwrap_or(0));
        Self {
            key: task_key(&task.id),
            id: task.id.to_string(),
            title: format!("{}: {}", language.text(kind_key(task.kind)), task.title),
            state: language.text(state_key),
            class,
            icon,
            step: task.step.as_deref().map(|step| step_text(language, step)).unwrap_or_default(),
            progress: task.progress,
            error: task.error.clone().unwrap_or_default(),
            user: task.user.to_string(),
            started: task.started,
            duration: took.map_or_else(|| "–".to_owned(), format::duration),
            is_running: task.state == TaskState::Running,
            link: link(task),
        }
    }
}

/// What the live values of a task are found by: no id, which has characters of its own.
pub(crate) fn task_key(id: &TaskId) -> String {
    id.parts().map(|p| format!("task-{}-{}", p.engine_start, p.number)).unwrap_or_default()
}

/// A step's name; a step without a text of its own is shown as it is called.
pub(crate) fn step_text(language: Language, step: &str) -> String {
    let key = format!("step-{step}");
    if language.has(&key) { language.text(&key) } else { step.to_owned() }
}

fn kind_key(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Create => "task-create",
        TaskKind::Start => "task-start",
        TaskKind::Shutdown => "task-shutdown",
        TaskKind::Stop => "task-stop",
        TaskKind::Reboot => "task-reboot",
        TaskKind::Suspend => "task-suspend",
        TaskKind::Resume => "task-resume",
        TaskKind::Destroy => "task-destroy",
        TaskKind::TemplateBuild => "task-template-build",
        TaskKind::TemplateCreate => "task-template-create",
        TaskKind::TemplateImport => "task-template-import",
        TaskKind::TemplateRemove => "task-template-remove",
        TaskKind::TemplateDownload => "task-template-download",
        TaskKind::SourceRefresh => "task-source-refresh",
    }
}

fn link(task: &Task) -> String {
    match task.kind {
        TaskKind::Create if task.state != TaskState::Done => "/containers/new".to_owned(),
        TaskKind::Destroy if task.state == TaskState::Done => "/containers".to_owned(),
        TaskKind::TemplateBuild
        | TaskKind::TemplateCreate
        | TaskKind::TemplateImport
        | TaskKind::TemplateRemove
        | TaskKind::TemplateDownload => "/templates".to_owned(),
        TaskKind::SourceRefresh => "/sources".to_owned(),
        TaskKind::Create
        | TaskKind::Start
        | TaskKind::Shutdown
        | TaskKind::Stop
        | TaskKind::Reboot
        | TaskKind::Suspend
        | TaskKind::Resume
        | TaskKind::Destroy => format!("/containers/{}", task.object),
    }
}

#[derive(Template)]
#[template(path = "tasks/list.html")]
struct TaskListPage {
    f: Frame,
    tasks: Vec<TaskView>,
}

#[derive(Template)]
#[template(path = "tasks/show.html")]
struct TaskShowPage {
    f: Frame,
    t: TaskView,
    lines: Vec<String>,
}

/// `GET /tasks`
pub(crate) async fn list(who: SignedIn, engine: web::Data<EngineClient>) -> Result<HttpResponse, PageError> {
    let f = Frame::of(&who, "tasks");
    let tasks = engine.call(&who.visitor.caller, ListTasks { limit: 100, container: None }).await;
    let tasks = tasks.map_err(|e| PageError::at(&who, "tasks", e))?;
    let view = TaskListPage { tasks: tasks.iter().map(|t| TaskView::of(f.language(), t)).collect(), f };
    Ok(page(&view.f, &view))
}

fn parse(id: &str) -> Result<TaskId, ApiError> {
    id.parse().map_err(|_| Refusal::NoTask { name: id.to_owned() }.into())
}

/// `GET /tasks/{id}`
pub(crate) async fn show(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let at = |e| PageError::at(&who, "tasks", e);
    let task = parse(&id).map_err(at)?;
    let caller = &who.visitor.caller;
    let lines = engine.call(caller, GetTaskLog { task: task.clone(), from: 0 }).await.map_err(at)?;
    let task = engine.call(caller, GetTask { task }).await.map_err(at)?;
    let f = Frame::of(&who, "tasks");
    let view = TaskShowPage { t: TaskView::of(f.language(), &task), lines, f };
    Ok(page(&view.f, &view))
}

/// `POST /tasks/{id}/cancel`
pub(crate) async fn cancel(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    id: web::Path<String>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let at = |e| PageError::at(&who, "tasks", e);
    let task = parse(&id).map_err(at)?;
    engine.call(&who.changing(form.get("csrf")), CancelTask { task }).await.map_err(at)?;
    Ok(see_other_with(&format!("/tasks/{}", form_urlencode(&id)), "flash-cancel"))
}
