//! Verbs on templates.

use std::{fs::File, os::fd::AsFd, path::Path};

use model::{
    Refusal, TemplateName,
    source::{Index, Trust},
};
use protocol::engine::{
    calls::{
        BuildTemplate, CreateTemplate, DownloadTemplate, ImportTemplate, ImportTemplateUrl, ListOffers,
        ListRecipes, ListSources, ListTemplates, RefreshSources, RemoveTemplate,
    },
    client::Caller,
    view::{AvailableRecipe, OfferView, SourceView},
};
use serde::Serialize;

use crate::{CliError, Session, command::TemplateCommand, show, tasks};

pub(crate) fn run(session: &Session, verb: TemplateCommand) -> Result<u8, CliError> {
    match verb {
        TemplateCommand::Available => available(session),
        TemplateCommand::Sources => sources(session),
        TemplateCommand::Refresh { source } => {
            let task = session.client.call(RefreshSources { source })?;
            tasks::follow(session, &task).map(|()| 0)
        }
        TemplateCommand::Download { reference } => download(session, &reference),
        // The binary's own; it never hands it on.
        TemplateCommand::Index { .. } => Ok(2),
        TemplateCommand::List => list(session),
        TemplateCommand::Parameters { name } => parameters(session, &name),
        TemplateCommand::Build { name } => build(session, name),
        TemplateCommand::Create { container, name } => {
            let task = session.client.call(CreateTemplate { container, name: name.clone() })?;
            tasks::follow(session, &task)?;
            eprintln!("Next: kiste create {name} --name NAME");
            Ok(0)
        }
        TemplateCommand::Import { file, sha256, name } => match url_of(&file) {
            Some(url) => import_url(session, url, sha256, name),
            None if sha256.is_some() => {
                Err(CliError::Usage("--sha256 is for an address: look at a file with sha256sum".into()))
            }
            None => import(session, &file, name),
        },
        TemplateCommand::Remove { name } => {
            let task = session.client.call(RemoveTemplate { template: name })?;
            tasks::follow(session, &task).map(|()| 0)
        }
    }
}

/// One line of what is available: a recipe or an offer.
#[derive(Serialize)]
#[serde(untagged)]
enum Available {
    Recipe {
        source: &'static str,
        #[serde(flatten)]
        recipe: Box<AvailableRecipe>,
    },
    Offer(Box<OfferView>),
}

fn available(session: &Session) -> Result<u8, CliError> {
    let offers = session.client.call(ListOffers {})?;
    // Without recipes there may still be something to download.
    let recipes = match session.client.call(ListRecipes {}) {
        Err(error) if !offers.is_empty() => {
            eprintln!("kiste: {error}");
            Vec::new()
        }
        other => other?,
    };
    let recipes = recipes.into_iter().map(|r| Available::Recipe { source: "recipes", recipe: Box::new(r) });
    let offers = offers.into_iter().map(|o| Available::Offer(Box::new(o)));
    let all: Vec<Available> = recipes.chain(offers).collect();
    if session.is_json {
        return show::json(&all);
    }
    let none = || "-".to_owned();
    let rows = all.into_iter().map(|line| match line {
        Available::Recipe { source, recipe } => {
            let AvailableRecipe { recipe: r, state, installed } = *recipe;
            let (state, installed) = (state.as_str().to_owned(), installed.unwrap_or_else(none));
            vec![source.to_owned(), r.name.to_string(), r.version, state, installed, none(), r.description]
        }
        Available::Offer(offer) => {
            let OfferView { source, offer: o, state, installed } = *offer;
            let (state, installed) = (state.as_str().to_owned(), installed.unwrap_or_else(none));
            let (name, size) = (o.name.to_string(), o.size.map_or_else(none, |s| s.to_string()));
            vec![source.to_string(), name, o.version, state, installed, size, o.description]
        }
    });
    let header = ["SOURCE", "NAME", "VERSION", "STATE", "INSTALLED", "DOWNLOAD", "DESCRIPTION"];
    Ok(show::table(&header, rows))
}

fn sources(session: &Session) -> Result<u8, CliError> {
    let all = session.client.call(ListSources {})?;
    if session.is_json {
        return show::json(&all);
    }
    let rows = all.into_iter().map(|SourceView { source, refreshed, error, offers }| {
        let state = match (error, refreshed) {
            (Some(error), _) => error,
            (None, Some(_)) => "fine".to_owned(),
            (None, None) => "never asked: kiste template refresh".to_owned(),
        };
        let kind = source.kind.as_str().to_owned();
        vec![source.name.to_string(), kind, source.url, String::from(source.trust), offers.to_string(), state]
    });
    Ok(show::table(&["NAME", "KIND", "ADDRESS", "TRUST", "OFFERS", "STATE"], rows))
}

fn download(session: &Session, reference: &str) -> Result<u8, CliError> {
    let usage = |e: Refusal| CliError::Usage(e.to_string());
    let (source, template) = match reference.split_once('/') {
        Some((source, name)) => (Some(source.parse().map_err(usage)?), name),
        None => (None, reference),
    };
    let template = template.parse().map_err(usage)?;
    let task = session.client.call(DownloadTemplate { source, template })?;
    tasks::follow(session, &task).map(|()| 0)
}

fn url_of(path: &Path) -> Option<&str> {
    path.to_str().filter(|p| p.starts_with("http://") || p.starts_with("https://"))
}

fn import_url(
    session: &Session,
    url: &str,
    sha256: Option<String>,
    name: Option<TemplateName>,
) -> Result<u8, CliError> {
    let missing = "an archive from an address needs --sha256: without it anybody on the way could replace it";
    let sha256 = sha256.ok_or_else(|| CliError::Usage(missing.into()))?;
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = name.or_else(|| name_of(Path::new(path)));
    let task = session.client.call(ImportTemplateUrl { url: url.to_owned(), sha256, name })?;
    tasks::follow(session, &task).map(|()| 0)
}

/// What `kiste template index` has made.
///
/// # Errors
/// None; the exit code is 0.
pub(crate) fn show_index(index: &Index, trust: &Trust, is_json: bool) -> Result<u8, CliError> {
    let trust = String::from(trust.clone());
    if is_json {
        return show::json(&serde_json::json!({ "index": index, "trust": trust }));
    }
    let rows = index
        .templates
        .iter()
        .map(|t| vec![t.name.to_string(), t.version.clone(), t.size.to_string(), t.file.clone()]);
    show::table(&["NAME", "VERSION", "SIZE", "FILE"], rows);
    println!("serial {}, other nodes believe it with trust = \"{trust}\"", index.serial);
    Ok(0)
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
