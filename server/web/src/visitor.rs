//! Who looks at a page: session cookie, language, theme, where they come from.
//!
//! [`Visitor`] is anybody, [`SignedIn`] has a living session; a page that takes the latter cannot be
//! reached without one.

use std::{future::Future, net::IpAddr, pin::Pin, rc::Rc};

use actix_web::{
    FromRequest, HttpRequest,
    cookie::{Cookie, SameSite, time},
    dev::Payload,
    http::header,
    web::Data,
};
use protocol::engine::{Secret, calls::GetSession, client::Caller, view::SessionView};

use crate::{engine::EngineClient, error::PageError, text::Language};

/// The session cookie. The prefix makes browsers insist on TLS and on this host.
pub(crate) const SESSION_COOKIE: &str = "__Host-kiste";
/// What the next page shows once: a key of the catalogue.
pub(crate) const FLASH_COOKIE: &str = "__Host-kiste-flash";
/// The language chosen before the login.
pub(crate) const LANGUAGE_COOKIE: &str = "__Host-kiste-language";

/// Anybody.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// For calls to the engine.
    pub(crate) caller: Caller,
    /// Language of the page.
    pub(crate) language: Language,
    /// The path and query that were asked for.
    pub(crate) path: String,
    /// Message of the last action.
    pub(crate) flash: Option<String>,
}

/// Somebody with a living session.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    /// As a visitor.
    pub(crate) visitor: Visitor,
    /// The session.
    pub(crate) session: Rc<SessionView>,
}

impl Visitor {
    /// From what the browser sends with every request.
    pub(crate) fn read(request: &HttpRequest) -> Self {
        let cookie = |name: &str| request.cookie(name).map(|c| c.value().to_owned());
        let address: Option<IpAddr> = request.peer_addr().map(|a| a.ip());
        let accepted = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let chosen = cookie(LANGUAGE_COOKIE).and_then(|code| Language::from_code(&code));
        Self {
            caller: Caller { session: cookie(SESSION_COOKIE).map(Secret::new), csrf: None, address },
            language: chosen.unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default())),
            path: if request.method().is_safe() {
                request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned()
            } else {
                // A form's address has no page to come back to.
                "/containers".to_owned()
            },
            flash: cookie(FLASH_COOKIE).filter(|key| key.starts_with("flash-") && Language::En.has(key)),
        }
    }
}

impl FromRequest for Visitor {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::read(request)))
    }
}

impl SignedIn {
    /// The caller with the anti-forgery token that the form repeated.
    pub(crate) fn changing(&self, csrf: &str) -> Caller {
        Caller { csrf: Some(Secret::new(csrf)), ..self.visitor.caller.clone() }
    }
}

impl FromRequest for SignedIn {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut visitor = Visitor::read(request);
        let engine = request.app_data::<Data<EngineClient>>().cloned();
        Box::pin(async move {
            let Some(engine) = engine else { return Err(PageError::lost(visitor)) };
            let session = match engine.call(&visitor.caller, GetSession {}).await {
                Ok(session) => session,
                Err(error) => return Err(PageError::of(visitor, error)),
            };
            if let Some(language) = session.preferences.get("language").and_then(|c| Language::from_code(c)) {
                visitor.language = language;
            }
            Ok(Self { visitor, session: Rc::new(session) })
        })
    }
}

/// A cookie that scripts and other sites never see.
pub(crate) fn cookie(name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build(name, value).path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
}

/// Takes a cookie back.
pub(crate) fn expired(name: &'static str) -> Cookie<'static> {
    let mut cookie = cookie(name, String::new());
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}
