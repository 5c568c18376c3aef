//! Calls about sources of templates and what they offer.

use std::sync::Arc;

use images::source::index;
use model::{
    Bytes, Refusal, TaskId,
    access::{ObjectPath, Privilege},
    source::{Offer, Source, SourceKind, SourceName},
};
use protocol::engine::{
    ApiError, ErrorKind,
    calls::{DownloadTemplate, ImportTemplateUrl, OpenSharedFile, RefreshSources},
    view::{OfferState, OfferView, SourceView},
};

use crate::{
    Engine,
    access::Caller,
    error::internal,
    server::Outcome,
    tasks::{
        sources::{self, Wanted},
        templates::About,
    },
};

pub(super) fn list(engine: &Engine, caller: &Caller) -> Result<Vec<SourceView>, ApiError> {
    caller.authorise(Privilege::DatastoreAudit, &ObjectPath::Storage)?;
    let view = |source: &Source| -> Result<SourceView, ApiError> {
        let row = engine.store().find_source(source).map_err(|e| internal(&e))?;
        Ok(SourceView {
            source: source.clone(),
            refreshed: row.refreshed,
            error: row.error,
            offers: row.offers.len(),
        })
    };
    engine.config.sources.iter().map(view).collect()
}

/// What all sources offer, as they were last asked.
pub(super) fn list_offers(engine: &Engine, caller: &Caller) -> Result<Vec<OfferView>, ApiError> {
    caller.authorise(Privilege::DatastoreAudit, &ObjectPath::Storage)?;
    let installed = engine.store().list_templates().map_err(|e| internal(&e))?;
    let mut all = Vec::new();
    for source in &engine.config.sources {
        let row = engine.store().find_source(source).map_err(|e| internal(&e))?;
        all.extend(row.offers.into_iter().map(|offer| {
            let installed = installed.iter().find(|t| t.name == offer.name).map(|t| t.version.clone());
            let state = match &installed {
                None => OfferState::New,
                Some(version) if *version == offer.version => OfferState::Installed,
                Some(_) => OfferState::Other,
            };
            OfferView { source: source.name.clone(), offer, state, installed }
        }));
    }
    Ok(all)
}

pub(super) fn refresh(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &RefreshSources,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let chosen = choose(engine, call.source.as_ref())?;
    sources::refresh(engine, chosen.to_vec(), &grant.user)
}

pub(super) fn download(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &DownloadTemplate,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    let mut found: Vec<(&Source, Offer)> = Vec::new();
    for source in choose(engine, call.source.as_ref())? {
        let row = engine.store().find_source(source).map_err(|e| internal(&e))?;
        found.extend(row.offers.into_iter().filter(|o| o.name == call.template).map(|o| (source, o)));
    }
    let name = call.template.to_string();
    let (source, offer) = match found.len() {
        0 => return Err(Refusal::NoOffer { name }.into()),
        1 => found.remove(0),
        _ => {
            let sources = found.iter().map(|(s, _)| s.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Refusal::OfferedTwice { name, sources }.into());
        }
    };
    let wanted = Wanted {
        url: offer.url,
        origin: source.url.clone(),
        any_certificate: source.kind == SourceKind::Index,
        size: offer.size,
        checksum: offer.checksum,
        name: Some(offer.name),
        metadata: offer.metadata,
        about: About {
            version: offer.version,
            title: offer.title,
            description: offer.description,
            files: Vec::new(),
        },
    };
    sources::download(engine, wanted, &grant.user)
}

pub(super) fn import_url(
    engine: &Arc<Engine>,
    caller: &Caller,
    call: &ImportTemplateUrl,
) -> Result<TaskId, ApiError> {
    let grant = caller.authorise(Privilege::DatastoreAllocateTemplate, &ObjectPath::Storage)?;
    images::fetch::check_url(&call.url).map_err(|why| Refusal::NotAnAddress {
        given: call.url.chars().take(200).collect(),
        why: why.into(),
    })?;
    let digest = call
        .sha256
        .parse()
        .map_err(|_| Refusal::NotAChecksum { given: call.sha256.chars().take(80).collect() })?;
    let wanted = sources::wanted_url(call.url.clone(), digest, call.name.clone());
    sources::download(engine, wanted, &grant.user)
}

/// A file for other nodes: the index as it was signed, and the archives that it names. Everything else is as if it
/// were not there.
pub(super) fn open_shared(engine: &Engine, call: &OpenSharedFile) -> Result<Outcome, ApiError> {
    let none = || ApiError::new(ErrorKind::NotFound, "there is no such file".to_owned());
    if !engine.config.serve_templates {
        return Err(none());
    }
    let folder = engine.config.data_dir.join("templates");
    let file = index::open_shared(&folder, &call.file).map_err(|_| none())?;
    let size = Bytes(file.metadata().map_err(|e| internal(&e))?.len());
    let value = serde_json::to_value(size).map_err(|e| internal(&e))?;
    Ok(Outcome { fds: vec![file.into()], ..Outcome::from(value) })
}

/// The source of a name, or all.
fn choose<'a>(engine: &'a Engine, name: Option<&SourceName>) -> Result<&'a [Source], Refusal> {
    let all = &engine.config.sources;
    let Some(name) = name else { return Ok(all) };
    let known = || all.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    all.iter()
        .find(|s| s.name == *name)
        .map(std::slice::from_ref)
        .ok_or_else(|| Refusal::NoSource { name: name.to_string(), known: known() })
}
