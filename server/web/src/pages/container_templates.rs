//! `/templates`: what is installed, what can be built, import of an archive.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Seek, Write},
};

use actix_multipart::{Field, Multipart};
use actix_web::{HttpResponse, web};
use askama::Template;
use futures_util::StreamExt;
use model::{
    Refusal, TaskId, TemplateName,
    template::{ContainerTemplate, TemplateOrigin},
};
use protocol::engine::{
    ApiError, Call,
    calls::{
        BuildTemplate, ImportTemplate, ListContainers, ListRecipes, ListTemplates, NewSpool, RemoveTemplate,
    },
    view::{AvailableRecipe, RecipeState},
};

use super::{Frame, page, page_with, see_task};
use crate::{engine::EngineClient, error::PageError, form::Form, format, visitor::SignedIn};

/// Largest archive that is taken from a browser.
const ARCHIVE_MAX: u64 = 16 << 30;
/// How long the rest of a refused upload may take.
const REST_PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);
/// Longest text field beside it.
const FIELD_MAX: usize = 4096;

/// A recipe that is not installed.
#[derive(Debug, Clone)]
pub(crate) struct RecipeView {
    /// Its name.
    pub(crate) name: String,
    /// The name for people.
    pub(crate) title: String,
    /// One sentence.
    pub(crate) description: String,
    /// What building it means now.
    pub(crate) action: String,
    /// Whether it says something else than what is installed.
    pub(crate) has_changed: bool,
    is_new: bool,
}

struct TemplateRow {
    name: String,
    description: String,
    version: String,
    origin: String,
    packages: usize,
    size: String,
    installed: i64,
}

#[derive(Template)]
#[template(path = "container_templates/list.html")]
struct ContainerTemplateListPage {
    f: Frame,
    form: Form,
    templates: Vec<TemplateRow>,
    recipes: Vec<RecipeView>,
}

#[derive(Template)]
#[template(path = "container_templates/delete.html")]
struct ContainerTemplateDeletePage {
    f: Frame,
    name: String,
    containers: String,
}

/// Recipes that are not installed; none when the engine cannot say.
pub(crate) async fn recipes(who: &SignedIn, engine: &EngineClient) -> Vec<RecipeView> {
    all_recipes(who, engine).await.into_iter().filter(|r| r.is_new).collect()
}

async fn all_recipes(who: &SignedIn, engine: &EngineClient) -> Vec<RecipeView> {
    let all = engine.call(&who.visitor.caller, ListRecipes {}).await.unwrap_or_default();
    let language = who.visitor.language;
    let view = |AvailableRecipe { recipe: r, state, .. }| RecipeView {
        name: r.name.to_string(),
        title: r.title,
        description: r.description,
        action: language.text(match state {
            RecipeState::New => "template-build",
            RecipeState::Built => "template-build-again",
            RecipeState::Changed => "template-build-new",
        }),
        has_changed: state == RecipeState::Changed,
        is_new: state == RecipeState::New,
    };
    all.into_iter().map(view).collect()
}

async fn view(
    who: &SignedIn,
    engine: &EngineClient,
    form: Form,
) -> Result<ContainerTemplateListPage, PageError> {
    let f = Frame::of(who, "templates");
    let installed = engine.call(&who.visitor.caller, ListTemplates {}).await;
    let installed = installed.map_err(|e| PageError::at(who, "templates", e))?;
    let recipes = all_recipes(who, engine).await;
    let row = |t: &ContainerTemplate| TemplateRow {
        name: t.name.to_string(),
        description: t.description.clone(),
        version: t.version.clone(),
        origin: f.t(match t.origin {
            TemplateOrigin::Built => "origin-built",
            TemplateOrigin::Imported => "origin-imported",
            TemplateOrigin::Downloaded => "origin-downloaded",
            TemplateOrigin::Container => "origin-container",
        }),
        packages: t.packages.len(),
        size: format::bytes(f.language(), t.size),
        installed: t.installed,
    };
    let templates = installed.iter().map(row).collect();
    Ok(ContainerTemplateListPage { templates, recipes, form, f })
}

/// `GET /templates`
pub(crate) async fn list(who: SignedIn, engine: web::Data<EngineClient>) -> Result<HttpResponse, PageError> {
    let view = view(&who, &engine, Form::sent(who.visitor.language, BTreeMap::new())).await?;
    Ok(page(&view.f, &view))
}

fn parse(name: &str) -> Result<TemplateName, ApiError> {
    name.parse().map_err(|_| Refusal::NoTemplate { name: name.to_owned() }.into())
}

/// Begins a task on the template that an address names.
async fn begin<C>(
    who: &SignedIn,
    engine: &EngineClient,
    name: &str,
    form: &Form,
    call: impl FnOnce(TemplateName) -> C,
) -> Result<HttpResponse, PageError>
where
    C: Call<Reply = TaskId> + Send + 'static,
{
    let at = |e| PageError::at(who, "templates", e);
    let template = parse(name).map_err(at)?;
    let task = engine.call(&who.changing(form.get("csrf")), call(template)).await.map_err(at)?;
    Ok(see_task(&task))
}

/// `POST /templates/{name}/build`
pub(crate) async fn build(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let form = Form::sent(who.visitor.language, fields.into_inner());
    begin(&who, &engine, &name, &form, |recipe| BuildTemplate { recipe }).await
}

/// `GET /templates/{name}/delete`
pub(crate) async fn show_delete(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let at = |e| PageError::at(&who, "templates", e);
    let name = parse(&name).map_err(at)?;
    let installed = engine.call(&who.visitor.caller, ListTemplates {}).await.map_err(at)?;
    if installed.iter().all(|t| t.name != name) {
        return Err(at(Refusal::NoTemplate { name: name.to_string() }.into()));
    }
    let all = engine.call(&who.visitor.caller, ListContainers {}).await.map_err(at)?;
    let made = all.iter().filter(|c| c.template == name).map(|c| c.name.to_string());
    let view = ContainerTemplateDeletePage {
        f: Frame::of(&who, "templates"),
        containers: made.collect::<Vec<_>>().join(" "),
        name: name.to_string(),
    };
    Ok(page(&view.f, &view))
}

/// `POST /templates/{name}/delete`
pub(crate) async fn delete(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: web::Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let form = Form::sent(who.visitor.language, fields.into_inner());
    begin(&who, &engine, &name, &form, |template| RemoveTemplate { template }).await
}

/// `POST /templates/import`: the archive goes straight into a nameless file that the engine made.
pub(crate) async fn import(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    mut payload: Multipart,
) -> Result<HttpResponse, PageError> {
    let mut form = Form::sent(who.visitor.language, BTreeMap::new());
    match take_archive(&who, &engine, &mut payload, &mut form).await {
        Ok(task) => Ok(see_task(&task)),
        Err(error) => {
            // A browser reads no answer before it has sent all; an early one would look like a lost connection.
            let rest = async { while let Some(Ok(_)) = payload.next().await {} };
            let _ = tokio::time::timeout(REST_PATIENCE, rest).await;
            form.take_refusal(error).map_err(|e| PageError::at(&who, "templates", e))?;
            show_again(&who, &engine, form).await
        }
    }
}

/// The page with a form that was refused.
pub(crate) async fn show_again(
    who: &SignedIn,
    engine: &EngineClient,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let view = view(who, engine, form).await?;
    Ok(page_with(&view.f, &view, HttpResponse::UnprocessableEntity()))
}

/// Fields come in the page's order: the anti-forgery token and the name before the file.
async fn take_archive(
    who: &SignedIn,
    engine: &EngineClient,
    payload: &mut Multipart,
    form: &mut Form,
) -> Result<TaskId, ApiError> {
    let mut values = BTreeMap::new();
    while let Some(field) = payload.next().await {
        let field = field.map_err(|_| Refusal::UploadCutOff)?;
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            // Each once and no other: a browser sends nothing else, and what is kept is bounded by that.
            if !["csrf", "name"].contains(&name.as_str()) || values.contains_key(&name) {
                return Err(Refusal::ForeignForm.into());
            }
            values.insert(name, read_text(field).await?);
            continue;
        }
        *form = Form::sent(who.visitor.language, values);
        let caller = who.changing(form.get("csrf"));
        let template = match form.get("name") {
            "" => None,
            name => Some(name.parse::<TemplateName>().map_err(|e| at_name(&e))?),
        };
        let (_, spool) = engine.call_riding(&caller, NewSpool {}, None).await?;
        let file = spool.fds.into_iter().next().ok_or(Refusal::UploadCutOff)?;
        let file = store(field, File::from(file)).await?;
        let call = ImportTemplate { name: template };
        return engine.call_riding(&caller, call, Some(file.into())).await.map(|(task, _)| task);
    }
    Err(Refusal::NoArchive.into())
}

/// The template's name stands in this form's field `name`.
fn at_name(refusal: &Refusal) -> ApiError {
    ApiError { field: Some("name".to_owned()), ..refusal.clone().into() }
}

async fn read_text(mut field: Field) -> Result<String, Refusal> {
    let mut text = Vec::new();
    while let Some(chunk) = field.next().await {
        text.extend(chunk.map_err(|_| Refusal::UploadCutOff)?);
        if text.len() > FIELD_MAX {
            return Err(Refusal::ForeignForm);
        }
    }
    String::from_utf8(text).map_err(|_| Refusal::ForeignForm)
}

async fn store(mut field: Field, mut file: File) -> Result<File, Refusal> {
    let full = |e: std::io::Error| Refusal::ArchiveNotStored { reason: e.to_string() };
    let mut size = 0u64;
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| Refusal::UploadCutOff)?;
        size += chunk.len() as u64;
        if size > ARCHIVE_MAX {
            return Err(Refusal::ArchiveTooLarge { max: model::Bytes(ARCHIVE_MAX).to_exact_text() });
        }
        let written = web::block(move || file.write_all(&chunk).map(|()| file)).await;
        file = written.map_err(|_| Refusal::UploadCutOff)?.map_err(full)?;
    }
    if size == 0 {
        return Err(Refusal::NoArchive);
    }
    file.rewind().map_err(full)?;
    Ok(file)
}
