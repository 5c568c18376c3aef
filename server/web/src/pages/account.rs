//! Setup, login, logout, language and theme.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use model::access::UserId;
use protocol::engine::{
    ApiError, ErrorKind, Secret,
    calls::{CompleteSetup, GetWelcome, Login, Logout, SetPreferences},
    view::NewSession,
};

use super::{Frame, local_path, page, page_with, see_other};
use crate::{
    engine::EngineClient,
    error::{PageError, status},
    form::Form,
    text::Language,
    visitor::{LANGUAGE_COOKIE, SESSION_COOKIE, SignedIn, Visitor, cookie, expired},
};

type Fields = web::Form<BTreeMap<String, String>>;
type Engine = web::Data<EngineClient>;

#[derive(Template)]
#[template(path = "account/login.html")]
struct LoginPage {
    f: Frame,
    form: Form,
}

#[derive(Template)]
#[template(path = "account/setup.html")]
struct SetupPage {
    f: Frame,
    form: Form,
}

/// The frame of a page before the login, with the node's name; and whether the setup is due.
async fn stranger_frame(visitor: &Visitor, engine: &EngineClient) -> Result<(Frame, bool), PageError> {
    let welcome = engine.call(&visitor.caller, GetWelcome {}).await;
    let welcome = welcome.map_err(|e| PageError::of(visitor.clone(), e))?;
    let frame = Frame { node: welcome.node.to_string(), ..Frame::stranger(visitor) };
    Ok((frame, welcome.is_setup_due))
}

/// `GET /login`
pub(crate) async fn show_login(
    visitor: Visitor,
    engine: Engine,
    query: web::Query<BTreeMap<String, String>>,
) -> Result<HttpResponse, PageError> {
    let (f, is_setup_due) = stranger_frame(&visitor, &engine).await?;
    if is_setup_due {
        return Ok(see_other("/setup"));
    }
    let next = query.get("next").cloned().unwrap_or_default();
    let form = Form::filled(visitor.language, &[("next", local_path(&next, "/containers").to_owned())]);
    let view = LoginPage { f, form };
    Ok(page(&view.f, &view))
}

/// `POST /login`
pub(crate) async fn login(
    visitor: Visitor,
    engine: Engine,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let mut form = Form::sent(visitor.language, fields.into_inner());
    let wrong = ApiError::new(ErrorKind::Unauthenticated, "");
    let result = match UserId::parse_login(form.get("user")) {
        Ok(user) => {
            let password = Secret::new(form.raw("password"));
            engine.call(&visitor.caller, Login { user, password }).await
        }
        // Told like a wrong password: a name that cannot be has nothing to hide either.
        Err(_) => Err(wrong),
    };
    match result {
        Ok(session) => Ok(signed_in(&session, local_path(form.get("next"), "/containers"))),
        Err(error) if matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::Throttled) => {
            let (f, _) = stranger_frame(&visitor, &engine).await?;
            let why = match error.retry_after_s {
                Some(seconds) => f.t_n("login-throttled", &usize::try_from(seconds).unwrap_or(0)),
                None => f.t("login-wrong"),
            };
            form.reject("", why);
            let builder = HttpResponse::build(status(error.kind));
            let view = LoginPage { f, form };
            Ok(page_with(&view.f, &view, builder))
        }
        Err(error) => Err(PageError::of(visitor, error)),
    }
}

fn signed_in(session: &NewSession, next: &str) -> HttpResponse {
    let mut response = see_other(next);
    let _ = response.add_cookie(&cookie(SESSION_COOKIE, session.token.reveal().to_owned()));
    response
}

/// `POST /logout`
pub(crate) async fn logout(who: SignedIn, engine: Engine, fields: Fields) -> Result<HttpResponse, PageError> {
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let ended = engine.call(&who.changing(form.get("csrf")), Logout {}).await;
    ended.map_err(|e| PageError::at(&who, "", e))?;
    let mut response = see_other("/login");
    let _ = response.add_cookie(&expired(SESSION_COOKIE));
    Ok(response)
}

/// `GET /setup`
pub(crate) async fn show_setup(visitor: Visitor, engine: Engine) -> Result<HttpResponse, PageError> {
    let (f, is_setup_due) = stranger_frame(&visitor, &engine).await?;
    if !is_setup_due {
        return Ok(see_other("/login"));
    }
    let form = Form::filled(visitor.language, &[("user", "admin".to_owned())]);
    let view = SetupPage { f, form };
    Ok(page(&view.f, &view))
}

/// `POST /setup`
pub(crate) async fn setup(
    visitor: Visitor,
    engine: Engine,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let (f, _) = stranger_frame(&visitor, &engine).await?;
    let mut form = Form::sent(visitor.language, fields.into_inner());
    if form.raw("password") != form.raw("again") {
        form.reject("again", f.t("password-differs"));
    }
    let user = UserId::parse_login(form.get("user"));
    if let Err(error) = &user {
        form.refuse("user", error);
    }
    if let (Ok(user), true) = (user, form.is_ok()) {
        let call = CompleteSetup {
            code: Secret::new(form.get("code")),
            user,
            password: Secret::new(form.raw("password")),
        };
        match engine.call(&visitor.caller, call).await {
            Ok(session) => return Ok(signed_in(&session, "/containers")),
            Err(error) => {
                form.take_refusal(error).map_err(|e| PageError::of(visitor.clone(), e))?;
            }
        }
    }
    let view = SetupPage { f, form };
    Ok(page_with(&view.f, &view, HttpResponse::UnprocessableEntity()))
}

/// `POST /language`, before the login.
pub(crate) async fn set_language(fields: Fields) -> HttpResponse {
    let form = Form::sent(Language::default(), fields.into_inner());
    let mut response = see_other(local_path(form.get("next"), "/login"));
    if Language::from_code(form.get("language")).is_some() {
        let _ = response.add_cookie(&cookie(LANGUAGE_COOKIE, form.get("language").to_owned()));
    }
    response
}

/// `POST /preferences`
pub(crate) async fn set_preferences(
    who: SignedIn,
    engine: Engine,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let preferences =
        ["language", "theme"].map(|key| (key.to_owned(), form.get(key).to_owned())).into_iter().collect();
    let stored = engine.call(&who.changing(form.get("csrf")), SetPreferences { preferences }).await;
    stored.map_err(|e| PageError::at(&who, "", e))?;
    let mut response = see_other(local_path(form.get("next"), "/containers"));
    if Language::from_code(form.get("language")).is_none() {
        // "As the browser": the choice made at the login would outlive it.
        let _ = response.add_cookie(&expired(LANGUAGE_COOKIE));
    }
    Ok(response)
}
