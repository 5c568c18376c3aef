//! What every answer carries, and where a change may come from (security rule 26).
//!
//! A changing request must come from our own pages: the browser says so by `Origin` (or, where it
//! sends none, by `Sec-Fetch-Site`). The engine checks the anti-forgery token in addition.

use actix_web::{
    Error, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use crate::{error::PageError, hosts::Hosts, visitor::Visitor};

/// Headers of every answer. No HSTS: it would hold for all ports of the host, and other services there
/// may speak plain HTTP; ours listens with TLS only.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// How long a form and its answer may take.
const FORM_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// The one form that may take longer.
const UPLOAD: &str = "/templates/import";

/// What pages may load; the console's page adds to it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The middleware.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if !is_known_host(&request) {
        let refused = PageError::unknown_host(request.request()).error_response();
        request.into_response(refused).map_into_right_body()
    } else if !is_reading && !is_same_origin(request.headers()) {
        let refused = PageError::foreign(request.request()).error_response();
        request.into_response(refused).map_into_right_body()
    } else if is_reading || request.path() == UPLOAD {
        next.call(request).await?.map_into_left_body()
    } else {
        // A stranger must not hold a connection by a form that never comes.
        let visitor = Visitor::read(request.request());
        let answered = tokio::time::timeout(FORM_PATIENCE, next.call(request)).await;
        answered.map_err(|_| PageError::late(visitor))??.map_into_left_body()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Whether the site was asked for under a name of its own.
fn is_known_host(request: &ServiceRequest) -> bool {
    let host = request.headers().get(header::HOST).and_then(|v| v.to_str().ok());
    let hosts = request.app_data::<Data<Hosts>>();
    host.zip(hosts).is_some_and(|(host, hosts)| hosts.know(host))
}

/// Whether the browser says that the request came from this very site.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(host) = text(header::HOST) else { return false };
    match text(header::ORIGIN) {
        Some(origin) => origin.strip_prefix("https://").is_some_and(|o| o.eq_ignore_ascii_case(host)),
        None => text(HeaderName::from_static("sec-fetch-site")) == Some("same-origin"),
    }
}

/// The policy of the console's page: xterm makes style elements of its own, which its script stamps
/// with this nonce.
pub(crate) fn console_policy(nonce: &str) -> (HeaderName, String) {
    let own = "style-src 'self'";
    (header::CONTENT_SECURITY_POLICY, POLICY.replace(own, &format!("{own} 'nonce-{nonce}'")))
}

/// 128 random bits as hex; empty when there are none, and then no style element is let in.
pub(crate) fn nonce() -> String {
    let mut bytes = [0u8; 16];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    match random.fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(pairs: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name.parse().unwrap(), value.parse().unwrap());
        }
        is_same_origin(&headers)
    }

    #[test]
    fn only_this_very_site_may_change_things() {
        let host = ("host", "box:8006");
        assert!(same(&[host, ("origin", "https://box:8006")]));
        assert!(same(&[host, ("sec-fetch-site", "same-origin")]));
        for bad in ["http://box:8006", "https://box", "https://evil.example", "null", "https://box:8006.evil"]
        {
            assert!(!same(&[host, ("origin", bad), ("sec-fetch-site", "same-origin")]), "{bad}");
        }
        assert!(!same(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!same(&[host]));
        assert!(!same(&[("origin", "https://box")]));
    }
}
