//! Calls about signing in: setup, login, sessions, preferences, console tickets.

use std::collections::BTreeMap;

use auth::{CsrfToken, SessionToken, SetupCode};
use model::{
    Refusal,
    access::{ObjectPath, UserId},
};
use protocol::engine::{
    ApiError, ErrorKind, Secret,
    calls::{CompleteSetup, Login, NewConsoleTicket, SetPreferences},
    view::{NewSession, SessionView, Welcome},
};
use store::{SessionRow, StoreError};

use super::consoles;
use crate::{
    Engine,
    access::Caller,
    clock,
    error::internal,
    sign_in::{self, Ticket},
};

/// Where the setup code's hash is kept.
const SETUP_CODE: &str = "setup_code";
/// What a reader may set, with the values that mean something.
const PREFERENCES: [(&str, &[&str]); 2] =
    [("language", &["auto", "en", "de"]), ("theme", &["auto", "light", "dark"])];

pub(super) fn welcome(engine: &Engine) -> Result<Welcome, ApiError> {
    let has_administrator = engine.store().has_administrator().map_err(|e| internal(&e))?;
    Ok(Welcome { node: engine.config.node.clone(), is_setup_due: !has_administrator })
}

/// Makes a setup code, in place of the one before; `None` when an administrator exists.
pub(crate) fn make_setup_code(engine: &Engine) -> Result<Option<Secret>, ApiError> {
    if engine.store().has_administrator().map_err(|e| internal(&e))? {
        return Ok(None);
    }
    let code = SetupCode::issue().map_err(|e| internal(&e))?;
    engine.store().set_setting(SETUP_CODE, Some(&code.sha256())).map_err(|e| internal(&e))?;
    Ok(Some(Secret::new(code.reveal())))
}

pub(super) fn new_setup_code(engine: &Engine, caller: &Caller) -> Result<Secret, ApiError> {
    caller.require_local()?;
    make_setup_code(engine)?.ok_or_else(setup_is_over)
}

fn setup_is_over() -> ApiError {
    Refusal::SetupIsOver.into()
}

pub(super) fn complete_setup(
    engine: &Engine,
    caller: &Caller,
    call: &CompleteSetup,
) -> Result<NewSession, ApiError> {
    if engine.store().has_administrator().map_err(|e| internal(&e))? {
        return Err(setup_is_over());
    }
    let attempt = engine.sign_in.begin("setup", caller.address, clock::now())?;
    let hash = engine.store().find_setting(SETUP_CODE).map_err(|e| internal(&e))?.unwrap_or_default();
    if !SetupCode::is_behind(&hash, call.code.reveal()) {
        return Err(Refusal::WrongSetupCode.into());
    }
    attempt.succeeded();
    auth::password::check_password(call.password.reveal())?;
    let hash = {
        let _turn = engine.sign_in.turn();
        auth::hash_password(call.password.reveal()).map_err(|e| internal(&e))?
    };
    match engine.store().insert_first_administrator(&call.user, &hash) {
        Ok(()) => {}
        Err(StoreError::HasAdministrator | StoreError::Taken { .. }) => return Err(setup_is_over()),
        Err(error) => return Err(internal(&error)),
    }
    engine.store().set_setting(SETUP_CODE, None).map_err(|e| internal(&e))?;
    new_session(engine, caller, &call.user)
}

pub(super) fn login(engine: &Engine, caller: &Caller, call: &Login) -> Result<NewSession, ApiError> {
    let attempt = engine.sign_in.begin(&sign_in::account(&call.user), caller.address, clock::now())?;
    let row = engine.store().find_user(&call.user).map_err(|e| internal(&e))?;
    let is_right = {
        let _turn = engine.sign_in.turn();
        match &row {
            Some(row) => {
                auth::verify_password(call.password.reveal(), &row.password_hash).map_err(|e| internal(&e))?
            }
            // The same work for an unknown name: the time must not tell who exists.
            None => auth::verify_dummy(call.password.reveal()),
        }
    };
    if row.is_none() || !is_right {
        return Err(Refusal::WrongPassword.into());
    }
    attempt.succeeded();
    new_session(engine, caller, &call.user)
}

fn new_session(engine: &Engine, stranger: &Caller, user: &UserId) -> Result<NewSession, ApiError> {
    let now = clock::now();
    let token = SessionToken::issue(user, now).map_err(|e| internal(&e))?;
    let csrf = CsrfToken::issue(now).map_err(|e| internal(&e))?;
    let row = SessionRow {
        token_hash: token.sha256(),
        user: user.clone(),
        csrf: csrf.reveal().to_owned(),
        created: now,
        seen: now,
    };
    let store = engine.store();
    store
        .prune_sessions(now - crate::access::AGE_MAX_S, now - crate::access::IDLE_MAX_S)
        .and_then(|()| store.insert_session(&row))
        .map_err(|e| internal(&e))?;
    let session = get(engine, &Caller::signed_in(store, row, stranger.address)?)?;
    Ok(NewSession { token: Secret::new(token.reveal()), session })
}

fn session_of(caller: &Caller) -> Result<&SessionRow, ApiError> {
    let text = "the local socket has no sessions: this call is for the web";
    caller.session().ok_or_else(|| ApiError::new(ErrorKind::Invalid, text))
}

pub(super) fn get(engine: &Engine, caller: &Caller) -> Result<SessionView, ApiError> {
    let row = session_of(caller)?;
    let user = engine.store().find_user(&row.user).map_err(|e| internal(&e))?;
    let preferences = user.and_then(|u| serde_json::from_str(&u.preferences).ok()).unwrap_or_default();
    Ok(SessionView {
        node: engine.config.node.clone(),
        user: row.user.clone(),
        csrf: Secret::new(&*row.csrf),
        privileges: caller.privileges_on(&ObjectPath::Root),
        preferences,
        tasks_running: super::tasks::count_running(engine, caller),
    })
}

pub(super) fn logout(engine: &Engine, caller: &Caller) -> Result<(), ApiError> {
    engine.store().delete_session(&session_of(caller)?.token_hash).map_err(|e| internal(&e))
}

pub(super) fn set_preferences(
    engine: &Engine,
    caller: &Caller,
    call: &SetPreferences,
) -> Result<(), ApiError> {
    let session = session_of(caller)?;
    for (key, value) in &call.preferences {
        let known = PREFERENCES.iter().find(|(k, _)| k == key);
        if !known.is_some_and(|(_, values)| values.contains(&value.as_str())) {
            return Err(Refusal::NotAPreference { key: key.clone(), given: value.clone() }.into());
        }
    }
    let row = engine.store().find_user(&session.user).map_err(|e| internal(&e))?;
    let old = row.and_then(|r| serde_json::from_str::<BTreeMap<String, String>>(&r.preferences).ok());
    let mut all = old.unwrap_or_default();
    all.extend(call.preferences.clone());
    let json = serde_json::to_string(&all).map_err(|e| internal(&e))?;
    engine.store().set_preferences(&session.user, &json).map_err(|e| internal(&e))
}

pub(super) fn new_console_ticket(
    engine: &Engine,
    caller: &Caller,
    call: &NewConsoleTicket,
) -> Result<Secret, ApiError> {
    let session = session_of(caller)?;
    let vmid = consoles::find_console(engine, caller, &call.container)?;
    let ticket =
        Ticket { session: session.token_hash.clone(), vmid, console: call.console, issued: clock::now() };
    let issued = engine.sign_in.issue(ticket).map_err(|e| internal(&e))?;
    Ok(Secret::new(issued.reveal()))
}
