//! Secrets of the login: password hashes, session tokens in Proxmox's ticket form, anti-forgery
//! tokens, the one-time setup code, console tickets, and the throttle against guessing.
//!
//! It never sees a request or a database and reads no clock: times come in as Unix seconds. Whatever
//! is random comes from getrandom(2); whatever is compared is compared in constant time; no `Debug`
//! prints a secret.
//!
//! | Module | In → out |
//! | --- | --- |
//! | [`password`] | password → argon2id hash, or crypt(5) hash for a container's root |
//! | [`session`] | user → ticket for the cookie, its hash for the database, anti-forgery token |
//! | [`setup_code`] | nothing → code for the person, hash for the database |
//! | [`console_ticket`] | nothing → one-use value |
//! | [`vault`] | secret → sealed text, and back |
//! | [`throttle`] | failures → how long to wait |

pub mod console_ticket;
pub mod password;
pub mod random;
pub mod session;
pub mod setup_code;
pub mod throttle;
pub mod vault;

pub use console_ticket::ConsoleTicket;
pub use password::{hash_password, hash_root_password, verify_dummy, verify_password};
pub use random::RandomError;
pub use session::{CsrfToken, SessionToken};
pub use setup_code::SetupCode;
pub use throttle::Throttle;
pub use vault::Vault;

/// Whether two texts are equal, in a time that depends on their lengths only.
fn is_same(a: &str, b: &str) -> bool {
    use subtle::ConstantTimeEq;
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// SHA-256 as 64 lower-case hex digits: enough to store a secret that is random itself.
fn sha256_hex(text: &str) -> String {
    use sha2::Digest;
    model::Digest::from_bytes(&sha2::Sha256::digest(text.as_bytes()).into()).to_string()
}
