//! Where a request may go: what is asked for, what it is redirected to.

use url::Url;

/// Most redirects.
pub(crate) const REDIRECTS_MAX: usize = 5;

/// An address that can be fetched from.
pub(crate) fn parse(text: &str) -> Result<Url, &'static str> {
    if text.len() > 2048 {
        return Err("it is longer than 2048 characters");
    }
    let url: Url = text.parse().map_err(|_| "it is no URL")?;
    check(url)
}

/// Where a redirect leads.
pub(crate) fn follow(from: &Url, location: &str) -> Result<Url, String> {
    let refused = |why: &str| format!("{from} redirects to {location:?}: {why}");
    let to = from.join(location).map_err(|_| refused("that is no URL"))?;
    let to = check(to).map_err(refused)?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(refused("from https to http is not followed"));
    }
    Ok(to)
}

/// Whether both are the same server.
pub(crate) fn is_same_server(a: &Url, b: &Url) -> bool {
    a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn check(url: Url) -> Result<Url, &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https are fetched");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user and password do not belong into it");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_fetched() {
        for good in ["http://127.0.0.1:8123/a.tar.gz", "https://images.example.org/x?y=z"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "x", "file:///etc/shadow", "ftp://example.org/", "http://", "http://a:b@example.org/", "/a"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn redirects_are_relative_or_not_and_never_lose_tls() {
        let from = parse("https://example.org/a/b.tar").unwrap();
        assert_eq!(follow(&from, "../c.tar").unwrap().as_str(), "https://example.org/c.tar");
        assert_eq!(follow(&from, "https://mirror.test/b").unwrap().as_str(), "https://mirror.test/b");
        for bad in ["http://example.org/b.tar", "file:///etc/passwd", "https://u:p@example.org/", "https://"]
        {
            assert!(follow(&from, bad).is_err(), "{bad}");
        }
        assert!(is_same_server(&from, &parse("https://example.org:443/").unwrap()));
        assert!(!is_same_server(&from, &parse("https://example.org:8443/").unwrap()));
    }
}
