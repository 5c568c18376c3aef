//! `GET /containers/{name}/tasks`: what was done with one container.

use actix_web::{HttpResponse, web};
use askama::Template;
use protocol::engine::calls::ListTasks;

use super::{ContainerView, load};
use crate::{
    engine::EngineClient,
    error::PageError,
    pages::{Frame, page, tasks::TaskView},
    visitor::SignedIn,
};

#[derive(Template)]
#[template(path = "containers/tasks.html")]
struct ContainerTasksPage {
    f: Frame,
    c: ContainerView,
    tasks: Vec<TaskView>,
}

/// The handler.
pub(crate) async fn list(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let f = Frame::of(&who, "containers");
    let call = ListTasks { limit: 100, container: Some(detail.summary.vmid) };
    let tasks = engine.call(&who.visitor.caller, call).await;
    let tasks = tasks.map_err(|e| PageError::at(&who, "containers", e))?;
    let view = ContainerTasksPage {
        c: ContainerView::of(f.language(), &detail.summary),
        tasks: tasks.iter().map(|t| TaskView::of(f.language(), t)).collect(),
        f,
    };
    Ok(page(&view.f, &view))
}
