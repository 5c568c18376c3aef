//! Verbs on templates.

use std::{fs::File, os::fd::AsFd, path::Path};

use model::TemplateName;
use protocol::engine::{
    calls::{ImportTemplate, ListTemplates, RemoveTemplate},
    client::Caller,
};

use crate::{CliError, Session, command::TemplateCommand, show, tasks};

pub(crate) fn run(session: &Session, verb: TemplateCommand) -> Result<u8, CliError> {
    match verb {
        TemplateCommand::List => list(session),
        TemplateCommand::Import { file, name } => import(session, &file, name),
        TemplateCommand::Remove { name } => {
            let task = session.client.call(RemoveTemplate { template: name })?;
            tasks::follow(session, &task).map(|()| 0)
        }
    }
}

fn list(session: &Session) -> Result<u8, CliError> {
    let templates = session.client.call(ListTemplates {})?;
    if session.is_json {
        return show::json(&templates);
    }
    let rows = templates.iter().map(|t| {
        vec![
            t.name.to_string(),
            t.version.clone(),
            t.size.to_string(),
            t.image.digest.short().to_owned(),
            t.description.clone(),
        ]
    });
    Ok(show::table(&["NAME", "VERSION", "SIZE", "IMAGE", "DESCRIPTION"], rows))
}

fn import(session: &Session, path: &Path, name: Option<TemplateName>) -> Result<u8, CliError> {
    let file = File::open(path).map_err(|e| CliError::File(path.to_owned(), e))?;
    let name = name.or_else(|| name_of(path));
    let (task, _) = session.client.call_as(&Caller::default(), ImportTemplate { name }, &[file.as_fd()])?;
    tasks::follow(session, &task).map(|()| 0)
}

/// `debian-12` from `debian-12.tar.zst`.
fn name_of(path: &Path) -> Option<TemplateName> {
    let name = path.file_name()?.to_str()?;
    let stem = name.split_once(".tar").map_or(name, |(stem, _)| stem);
    stem.to_ascii_lowercase().replace('_', "-").parse().ok()
}
