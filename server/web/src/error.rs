//! From a refusal of the engine to a status and a page: the one place, without a wildcard.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use askama::Template;
use model::Refusal;
use protocol::engine::{ApiError, ErrorKind};

use crate::{
    pages::{Frame, see_other},
    visitor::{SESSION_COOKIE, SignedIn, Visitor, expired},
};

/// A page could not be shown, or an action not be done.
#[derive(Debug)]
pub(crate) struct PageError {
    frame: Frame,
    error: ApiError,
    /// In place of the kind's.
    status: Option<StatusCode>,
}

#[derive(Template)]
#[template(path = "errors/show.html")]
struct ErrorShowPage<'a> {
    f: &'a Frame,
    status: u16,
    heading: String,
    message: String,
    task: Option<String>,
    back: &'static str,
}

impl PageError {
    /// Before anybody is known to be signed in.
    pub(crate) fn of(visitor: Visitor, error: ApiError) -> Self {
        Self { frame: Frame::stranger(&visitor), error, status: None }
    }

    /// For somebody who is signed in: the page keeps its navigation.
    pub(crate) fn at(who: &SignedIn, section: &'static str, error: ApiError) -> Self {
        Self { frame: Frame::of(who, section), error, status: None }
    }

    /// The application was put together wrongly.
    pub(crate) fn lost(visitor: Visitor) -> Self {
        Self::of(visitor, Refusal::NoAnswer.into())
    }

    /// A query or form that fits no handler. Actix's own answer would be its English words, without a page
    /// around them.
    pub(crate) fn misfit(request: &HttpRequest) -> Self {
        let visitor = Visitor::read(request);
        let text = visitor.language.text("error-misfit");
        Self::of(visitor, ApiError::new(ErrorKind::Invalid, text))
    }

    /// A change that none of our own pages asked for.
    pub(crate) fn foreign(request: &HttpRequest) -> Self {
        let visitor = Visitor::read(request);
        let text = visitor.language.text("error-origin");
        Self::of(visitor, ApiError::new(ErrorKind::Denied, text))
    }

    /// Asked for under a name that is none of this site's.
    pub(crate) fn unknown_host(request: &HttpRequest) -> Self {
        let visitor = Visitor::read(request);
        let text = visitor.language.text("error-host");
        let error = ApiError::new(ErrorKind::Invalid, text);
        Self { status: Some(StatusCode::MISDIRECTED_REQUEST), ..Self::of(visitor, error) }
    }

    /// A form that took too long to come.
    pub(crate) fn late(visitor: Visitor) -> Self {
        Self::of(visitor, Refusal::UploadCutOff.into())
    }

    /// There is no such page.
    pub(crate) fn no_page(visitor: Visitor, who: Option<&SignedIn>) -> Self {
        let error = ApiError::new(ErrorKind::NotFound, visitor.language.text("error-no-page"));
        match who {
            Some(who) => Self::at(who, "", error),
            None => Self::of(visitor, error),
        }
    }
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

/// The status of a kind.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::WrongStatus | ErrorKind::Stale | ErrorKind::Busy => {
            StatusCode::CONFLICT
        }
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn heading_key(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "error-denied",
        404 => "error-not-found",
        409 => "error-conflict",
        421 | 422 => "error-invalid",
        429 => "error-throttled",
        503 => "error-unavailable",
        _ => "error-internal",
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status.unwrap_or_else(|| status(self.error.kind))
    }

    fn error_response(&self) -> HttpResponse {
        if self.error.kind == ErrorKind::Unauthenticated {
            let next = form_urlencode(&self.frame.path);
            let mut response = see_other(&format!("/login?next={next}"));
            let _ = response.add_cookie(&expired(SESSION_COOKIE));
            return response;
        }
        let status = self.status_code();
        let f = &self.frame;
        let page = ErrorShowPage {
            f,
            status: status.as_u16(),
            heading: f.t(heading_key(status)),
            message: f.language().error(&self.error),
            task: self.error.task.as_ref().map(ToString::to_string),
            // Leads to the login where there is no session.
            back: "/containers",
        };
        let mut builder = HttpResponse::build(status);
        if let Some(seconds) = self.error.retry_after_s {
            builder.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        builder.content_type("text/html; charset=utf-8").body(page.render().unwrap_or_default())
    }
}

/// A text as part of an address: a path's or a query's value.
pub(crate) fn form_urlencode(text: &str) -> String {
    // It cannot fail, and says so in its type.
    let Ok(encoded) = askama::filters::urlencode(text);
    encoded.to_string()
}
