//! Making a template from a container.

use std::sync::Arc;

use images::{ARCHITECTURE, build::Built, capture::Order};
use model::{
    Bytes, ContainerConfig, TaskId, TemplateName,
    access::UserId,
    task::TaskKind,
    template::{Manifest, TemplateOrigin},
};
use protocol::engine::ApiError;

use super::{Failure, Handle, prepare, templates};
use crate::{Engine, clock, error::chain, lock};

/// Begins it. The task holds the container: nobody starts or deletes it meanwhile.
pub(crate) fn create(
    engine: &Arc<Engine>,
    config: ContainerConfig,
    name: &TemplateName,
    user: &UserId,
) -> Result<TaskId, ApiError> {
    let name = name.clone();
    let object = config.vmid.to_string();
    let prepared = prepare(engine, TaskKind::TemplateCreate, &object, config.name.as_str(), user)?;
    let unique = format!("capture-{}", prepared.id().parts().map_or(0, |p| p.number));
    prepared.run(move |engine, handle| {
        let _alone = lock(&engine.installing);
        let done = capture(engine, handle, &config, &name, &unique);
        templates::tidy(engine, done)
    })
}

fn capture(
    engine: &Engine,
    handle: &Handle,
    config: &ContainerConfig,
    name: &TemplateName,
    unique: &str,
) -> Result<(), Failure> {
    handle.step("layer");
    let all = engine.store().list_templates().map_err(|e| chain(&e))?;
    // The one that it was made from may have been built again since, or removed.
    let base = all.into_iter().find(|t| t.image == config.image);
    let built = base.as_ref().filter(|t| t.origin != TemplateOrigin::Imported);
    let archive = built.and_then(|t| engine.images.kept_archive(&t.name, &t.version));
    let about = config.application.as_ref().map(|a| &a.about);
    let now = clock::now();
    let manifest = Manifest {
        format: 1,
        name: name.clone(),
        version: format!("1.{}", clock::date(now)),
        description: format!("Made from container {}, which was made from {}.", config.name, config.template),
        architecture: ARCHITECTURE.into(),
        built: now,
        layers: Vec::new(),
        packages: Vec::new(),
        title: String::new(),
        memory_min: base.as_ref().map_or(Bytes(0), |t| t.memory_min),
        application: about.map(model::Application::of_a_copy).unwrap_or_default(),
        recipe: None,
        sources: Vec::new(),
        files: base.map(|t| t.files).unwrap_or_default(),
    };
    let layers = storage::resolve_layers(&engine.config.data_dir, &config.image.layers);
    let order = Order {
        manifest,
        image: &config.image,
        layers: layers.map_err(|e| chain(&e))?,
        own_layer: engine.pool.own_layer(config.vmid),
        archive: archive.as_deref(),
        forget: about.map(|a| a.forget.clone()).unwrap_or_default(),
    };
    let captured = engine.images.capture(order, unique, &handle.is_cancelled, &mut templates::tell(handle));
    let (installed, archive) = captured.map_err(|e| chain(&e))?;
    handle.step("install");
    if about.is_some_and(|a| a.forget.is_empty() && !a.parameters.is_empty()) {
        handle.log("the application stays as it is set up, with its data, users and passwords");
    }
    handle.log("users of the system stay, with their passwords; root is locked until a container sets one");
    match archive.map(Built::keep).transpose().map_err(|e| chain(&e))? {
        Some(path) => handle.log(&format!("archive {}", path.display())),
        None => handle.log("no archive: that of the template it was made from is not kept here"),
    }
    let template = templates::template_of(installed, name.clone(), TemplateOrigin::Container, now);
    templates::put(engine, &template)
}
