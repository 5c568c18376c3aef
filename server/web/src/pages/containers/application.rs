//! The application in a container: its fields on the create form, its card on the summary.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use model::{
    application::{Parameter, ParameterKind},
    health::{HealthState, StepState},
};
use protocol::engine::{
    Secret,
    calls::{ContainerRef, RetryFirstBoot, RevealPassword},
    view::{ApplicationView, ContainerDetail},
};

use super::{load, show};
use crate::{
    engine::EngineClient,
    error::PageError,
    form::Form,
    pages::{Frame, see_other_with},
    text::Language,
    visitor::SignedIn,
};

/// In front of a parameter's name in the form: it may be called like another field.
const PREFIX: &str = "p-";

/// A parameter as a field.
#[derive(Debug, Clone)]
pub(crate) struct ParameterField {
    /// Name of the field.
    pub(crate) name: String,
    /// In front of it.
    pub(crate) label: String,
    /// Below it.
    pub(crate) help: String,
    /// `text`, `password`, `email`, `url`, `number`, `choice` or `switch`.
    pub(crate) kind: &'static str,
    /// What to choose from.
    pub(crate) choices: Vec<String>,
}

/// The fields of a template's parameters.
pub(super) fn fields(language: Language, parameters: &[Parameter]) -> Vec<ParameterField> {
    let field = |p: &Parameter| ParameterField {
        name: field_name(&p.name),
        label: p.label.get(language.code()).to_owned(),
        help: p.help.get(language.code()).to_owned(),
        kind: match p.kind {
            ParameterKind::Password => "password",
            ParameterKind::Email => "email",
            ParameterKind::Url => "url",
            ParameterKind::Number => "number",
            ParameterKind::Choice => "choice",
            ParameterKind::Switch => "switch",
            ParameterKind::Text | ParameterKind::User | ParameterKind::Domain | ParameterKind::Address => {
                "text"
            }
        },
        choices: p.choices.clone(),
    };
    parameters.iter().map(field).collect()
}

/// The name of a parameter's field.
pub(super) fn field_name(parameter: &str) -> String {
    format!("{PREFIX}{parameter}")
}

/// What the form is filled with at first.
pub(super) fn defaults(parameters: &[Parameter]) -> Vec<(String, String)> {
    parameters.iter().filter_map(|p| Some((field_name(&p.name), p.default.clone()?))).collect()
}

/// What was filled in. What is empty takes its default, but for a switch, which is off then.
pub(super) fn read(form: &Form, parameters: &[Parameter]) -> BTreeMap<String, Secret> {
    let value = |p: &Parameter| {
        let name = field_name(&p.name);
        match p.kind {
            ParameterKind::Password => form.raw(&name).to_owned(),
            ParameterKind::Switch => if form.is_on(&name) { "1" } else { "0" }.to_owned(),
            _ => form.get(&name).to_owned(),
        }
    };
    let all = parameters.iter().map(|p| (p.name.clone(), value(p)));
    all.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, Secret::new(value))).collect()
}

/// How an application is, as lists and heads show it.
#[derive(Debug, Clone)]
pub(crate) struct HealthView {
    /// For class names.
    pub(crate) word: &'static str,
    /// For people.
    pub(crate) text: String,
    /// The icon's name.
    pub(crate) icon: &'static str,
}

impl HealthView {
    /// Of a state.
    pub(crate) fn of(language: Language, state: HealthState) -> Self {
        let (key, icon) = match state {
            HealthState::Starting => ("health-starting", "loader"),
            HealthState::Healthy => ("health-healthy", "circle-check"),
            HealthState::Unhealthy => ("health-unhealthy", "triangle-alert"),
        };
        Self { word: state.as_str(), text: language.text(key), icon }
    }
}

/// A script of the first boot.
#[derive(Debug, Clone)]
pub(crate) struct StepView {
    /// Its name.
    pub(crate) name: String,
    /// How far it is, for people.
    pub(crate) text: String,
    /// The icon's name.
    pub(crate) icon: &'static str,
}

/// A change of health.
#[derive(Debug, Clone)]
pub(crate) struct ChangeView {
    /// Unix seconds.
    pub(crate) at: i64,
    /// To what.
    pub(crate) health: HealthView,
    /// What was seen.
    pub(crate) detail: String,
}

impl ChangeView {
    /// Whether there is nothing to explain.
    pub(super) fn is_well(&self) -> bool {
        self.health.word == HealthState::Healthy.as_str()
    }
}

/// The access card.
#[derive(Debug, Clone)]
pub(crate) struct ApplicationCard {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) has_password: bool,
    /// Shown once, when it was asked for.
    pub(crate) password: String,
    pub(crate) next: String,
    pub(crate) health: Option<ChangeView>,
    pub(crate) history: Vec<ChangeView>,
    /// Empty when the first boot is done.
    pub(crate) steps: Vec<StepView>,
    pub(crate) has_failed: bool,
    pub(crate) failure: String,
    /// Whether a later look will show more.
    pub(crate) is_moving: bool,
}

impl ApplicationCard {
    /// Of what the engine says.
    pub(super) fn of(language: Language, a: &ApplicationView, password: Option<&Secret>) -> Self {
        let change = |c: &model::health::HealthChange| ChangeView {
            at: c.at,
            health: HealthView::of(language, c.state),
            detail: c.detail.clone(),
        };
        let step = |s: &model::health::FirstBootStep| {
            let (key, icon) = match s.state {
                StepState::Pending => ("step-pending", "clock"),
                StepState::Running => ("step-running", "loader"),
                StepState::Done => ("step-done", "circle-check"),
                StepState::Failed => ("step-failed", "circle-x"),
            };
            StepView { name: s.name.clone(), text: language.text(key), icon }
        };
        let is_done = a.first_boot.is_done();
        Self {
            title: a.title.clone(),
            version: a.version.clone(),
            url: a.url.clone().unwrap_or_default(),
            user: a.user.clone().unwrap_or_default(),
            has_password: a.has_password,
            password: password.map(|p| p.reveal().to_owned()).unwrap_or_default(),
            next: a.next.get(language.code()).to_owned(),
            is_moving: a.health.as_ref().is_some_and(|h| h.state == HealthState::Starting),
            health: a.health.as_ref().map(change),
            history: a.history.iter().map(change).collect(),
            steps: if is_done { Vec::new() } else { a.first_boot.steps.iter().map(step).collect() },
            has_failed: a.first_boot.failed().is_some(),
            failure: a.first_boot.failure.clone(),
        }
    }
}

type Fields = web::Form<BTreeMap<String, String>>;

fn own(detail: &ContainerDetail) -> (ContainerRef, String) {
    (detail.summary.vmid.into(), format!("/containers/{}", detail.summary.name))
}

/// `POST /containers/{name}/password`: the summary with the password in it, once.
pub(crate) async fn reveal(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let (container, _) = own(&detail);
    let password = engine.call(&who.changing(form.get("csrf")), RevealPassword { container }).await;
    let password = password.map_err(|e| PageError::at(&who, "containers", e))?;
    Ok(show::summary(Frame::of(&who, "containers"), &detail, Some(&password)))
}

/// `POST /containers/{name}/first-boot`: tries the rest of a first boot again.
pub(crate) async fn retry(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let detail = load(&engine, &who, &name).await?;
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let (container, address) = own(&detail);
    let tried = engine.call(&who.changing(form.get("csrf")), RetryFirstBoot { container }).await;
    tried.map_err(|e| PageError::at(&who, "containers", e))?;
    Ok(see_other_with(&address, "flash-first-boot"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: ParameterKind) -> Parameter {
        let json = serde_json::json!({ "name": name, "kind": kind, "label": { "en": "E", "de": "D" } });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn parameters_cannot_be_taken_for_other_fields() {
        let all = [
            parameter("name", ParameterKind::Text),
            parameter("on", ParameterKind::Switch),
            parameter("x", ParameterKind::Text),
        ];
        let form = Form::filled(Language::De, &[("name", "web".into()), ("p-name", " Anna ".into())]);
        let read = read(&form, &all);
        let values: Vec<(&str, &str)> = read.iter().map(|(k, v)| (k.as_str(), v.reveal())).collect();
        assert_eq!(values, [("name", "Anna"), ("on", "0")]);
        let fields = fields(Language::De, &all);
        assert_eq!((fields[0].name.as_str(), fields[0].label.as_str()), ("p-name", "D"));
    }
}
