//! Session tokens in the form of Proxmox's tickets, and the anti-forgery tokens that go with them.
//!
//! Unlike Proxmox's they carry no signature but 32 random bytes: the server knows its sessions, and
//! can end them. The token goes to the browser, its hash to the database; neither shows the other.

use std::{fmt, str::FromStr};

use model::access::UserId;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random::{self, RandomError};

/// `PVE:USER@REALM:HEX8::SECRET`, HEX8 being the Unix time of the login and SECRET 32 bytes in base64.
#[derive(Clone)]
pub struct SessionToken {
    text: Zeroizing<String>,
    user: UserId,
    issued: i64,
}

/// The text is no session token. It says nothing of the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no session token: log in again")]
pub struct ParseSessionTokenError;

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn issue(user: &UserId, now: i64) -> Result<Self, RandomError> {
        let time = random::hex_time(now);
        let secret = random::secret()?;
        let text = Zeroizing::new(format!("PVE:{user}:{time}::{}", *secret));
        let issued = random::parse_hex_time(&time).unwrap_or_default();
        Ok(Self { text, user: user.clone(), issued })
    }

    /// The token itself, for the cookie; do not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the database keeps: SHA-256 of the whole token, 64 hex digits.
    #[must_use]
    pub fn sha256(&self) -> String {
        crate::sha256_hex(&self.text)
    }

    /// Whose it says it is; true only when its hash is known.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// When it says it was issued, Unix seconds; true only when its hash is known.
    #[must_use]
    pub fn issued(&self) -> i64 {
        self.issued
    }
}

impl FromStr for SessionToken {
    type Err = ParseSessionTokenError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = s.splitn(6, ':').collect();
        let &["PVE", user, time, "", secret] = fields.as_slice() else { return Err(ParseSessionTokenError) };
        if !random::is_secret(secret) {
            return Err(ParseSessionTokenError);
        }
        Ok(Self {
            text: Zeroizing::new(s.to_owned()),
            user: user.parse().map_err(|_| ParseSessionTokenError)?,
            issued: random::parse_hex_time(time).ok_or(ParseSessionTokenError)?,
        })
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({})", self.user)
    }
}

/// `HEX8:SECRET`: what a changing request must repeat. It belongs to one session because it is kept in
/// that session's row; it is random of its own, so that neither token can be had from the other.
#[derive(Clone)]
pub struct CsrfToken(Zeroizing<String>);

impl CsrfToken {
    /// A new one, for a new session.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn issue(now: i64) -> Result<Self, RandomError> {
        Ok(Self(Zeroizing::new(format!("{}:{}", random::hex_time(now), *random::secret()?))))
    }

    /// The one that was stored with a session.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The token itself, for its session's row and pages; do not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a request repeated it, compared in constant time.
    #[must_use]
    pub fn is_repeated_by(&self, given: &str) -> bool {
        // An empty row must not be matched by an absent token.
        !self.0.is_empty() && crate::is_same(&self.0, given)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> UserId {
        UserId::parse_login("anna").unwrap()
    }

    #[test]
    fn a_token_has_the_form_of_a_ticket_and_comes_back() {
        let token = SessionToken::issue(&anna(), 0x68A1_B2C3).unwrap();
        assert!(token.reveal().starts_with("PVE:anna@pve:68A1B2C3::"));
        let back: SessionToken = token.reveal().parse().unwrap();
        assert_eq!((back.user(), back.issued()), (&anna(), 0x68A1_B2C3));
        assert_eq!(back.sha256(), token.sha256());
        assert_ne!(token.sha256(), SessionToken::issue(&anna(), 0x68A1_B2C3).unwrap().sha256());
    }

    #[test]
    fn the_hash_covers_who_and_when() {
        let token = SessionToken::issue(&anna(), 1).unwrap();
        let other: SessionToken = token.reveal().replace("anna@", "otto@").parse().unwrap();
        assert_ne!(other.sha256(), token.sha256());
    }

    #[test]
    fn crooked_tokens_are_refused() {
        let good = SessionToken::issue(&anna(), 1).unwrap();
        let secret = good.reveal().rsplit(':').next().unwrap();
        for bad in [
            String::new(),
            "PVE".into(),
            format!("PVE:anna@pve:00000001:{secret}"),
            format!("PVE:anna@pve:00000001::{secret}:x"),
            format!("PVE:anna@pve:00000001::{}", &secret[..43]),
            format!("PVE:anna:00000001::{secret}"),
            format!("PVE:anna@pve:0000000g::{secret}"),
            format!("PMG:anna@pve:00000001::{secret}"),
            format!("PVE:anna@pve:00000001::{secret}\n"),
            "PVE:".repeat(100_000),
        ] {
            assert!(bad.parse::<SessionToken>().is_err(), "{bad:.80}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let (token, csrf) = (SessionToken::issue(&anna(), 1).unwrap(), CsrfToken::issue(1).unwrap());
        assert_eq!(format!("{token:?} {csrf:?}"), "SessionToken(anna@pve) CsrfToken");
    }

    #[test]
    fn an_anti_forgery_token_is_met_by_itself_only() {
        let token = CsrfToken::issue(0x68A1_B2C3).unwrap();
        assert!(token.reveal().starts_with("68A1B2C3:"));
        let stored = CsrfToken::from_stored(token.reveal());
        assert!(stored.is_repeated_by(token.reveal()));
        assert!(!stored.is_repeated_by(CsrfToken::issue(0x68A1_B2C3).unwrap().reveal()));
        assert!(!stored.is_repeated_by(""));
        assert!(!CsrfToken::from_stored("").is_repeated_by(""));
    }
}
