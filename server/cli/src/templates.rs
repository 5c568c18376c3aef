//! Verbs on templates.

use std::{fs::File, os::fd::AsFd, path::Path};

use model::{Refusal, TemplateName};
use protocol::engine::{
    calls::{BuildTemplate, ImportTemplate, ListRecipes, ListTemplates, RemoveTemplate},
    client::Caller,
    view::AvailableRecipe,
};

use crate::{CliError, Session, command::TemplateCommand, show, tasks};

pub(crate) fn run(session: &Session, verb: TemplateCommand) -> Result<u8, CliError> {
    match verb {
        TemplateCommand::Available => available(session),
        TemplateCommand::List => list(session),
        TemplateCommand::Parameters { name } => parameters(session, &name),
        TemplateCommand::Build { name } => build(session, name),
        TemplateCommand::Import { file, name } => import(session, &file, name),
        TemplateCommand::Remove { name } => {
            let task = session.client.call(RemoveTemplate { template: name })?;
            tasks::follow(session, &task).map(|()| 0)
        }
    }
}

fn available(session: &Session) -> Result<u8, CliError> {
    let all = session.client.call(ListRecipes {})?;
    if session.is_json {
        return show::json(&all);
    }
    let rows = all.into_iter().map(|AvailableRecipe { recipe: r, state, installed }| {
        let installed = installed.unwrap_or_else(|| "-".to_owned());
        let (memory, disk) = (r.memory_min.to_string(), r.disk_min.to_string());
        vec![r.name.to_string(), r.version, state.as_str().to_owned(), installed, memory, disk, r.description]
    });
    let header = ["NAME", "VERSION", "STATE", "INSTALLED", "MEMORY FROM", "DISK FROM", "DESCRIPTION"];
    Ok(show::table(&header, rows))
}

fn parameters(session: &Session, name: &TemplateName) -> Result<u8, CliError> {
    let installed = session.client.call(ListTemplates {})?;
    let unknown = || CliError::Usage(Refusal::NoTemplate { name: name.to_string() }.to_string());
    let template = installed.into_iter().find(|t| t.name == *name).ok_or_else(unknown)?;
    let all = template.application.parameters;
    if session.is_json {
        return show::json(&all);
    }
    let rows = all.into_iter().map(|p| {
        let default = match (&p.default, p.generate) {
            (_, Some(length)) => format!("made up, {length} characters"),
            (Some(default), None) if default.is_empty() => "empty".to_owned(),
            (Some(default), None) => default.clone(),
            (None, None) => "must be given".to_owned(),
        };
        vec![p.name, p.kind.as_str().to_owned(), default, p.label.en, p.help.en]
    });
    Ok(show::table(&["NAME", "KIND", "DEFAULT", "WHAT", "HELP"], rows))
}

/// With `--json` the installed template is printed at the end.
fn build(session: &Session, name: TemplateName) -> Result<u8, CliError> {
    let task = session.client.call(BuildTemplate { recipe: name.clone() })?;
    tasks::follow(session, &task)?;
    if session.is_json && session.is_waiting {
        let installed = session.client.call(ListTemplates {})?;
        return show::json(&installed.iter().find(|t| t.name == name));
    }
    Ok(0)
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
