//! Passwords: what is accepted, and how they are kept: argon2id for users, crypt(5) inside containers.
//!
//! Hashing costs 19 MiB and tens of milliseconds on purpose; the caller bounds how many run at a time.

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash};
use model::Refusal;
use sha_crypt::ShaCrypt;
use thiserror::Error;

/// Fewest characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// Most bytes of a password.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// The hash of a password that nobody knows, with the parameters of [`hash_password`].
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password was not accepted, or not hashed.
#[derive(Debug, Error)]
pub enum HashPasswordError {
    /// It is not accepted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No salt could be had.
    #[error("make a salt for the password")]
    Salt(#[source] crate::RandomError),
    /// The hash function failed.
    #[error("hash the password")]
    Hash(#[source] password_hash::Error),
}

/// The stored hash cannot be read: the database was changed from outside.
#[derive(Debug, Error)]
#[error("the stored password hash is not understood")]
pub struct VerifyPasswordError(#[source] password_hash::Error);

/// Whether a new password may be used; for forms that want to say so before anything else happens.
///
/// # Errors
/// What is wrong with it.
pub fn check_password(password: &str) -> Result<(), Refusal> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(Refusal::PasswordTooLong { max: PASSWORD_MAX_BYTES });
    }
    if password.chars().count() < PASSWORD_MIN_CHARS {
        return Err(Refusal::PasswordTooShort { min: PASSWORD_MIN_CHARS });
    }
    if password.chars().any(char::is_control) {
        // It could end the line it is written on.
        return Err(Refusal::PasswordControlCharacter);
    }
    Ok(())
}

/// The argon2id hash of a new password, in PHC form, with a random salt.
///
/// # Errors
/// When the password is not accepted, or memory or random bytes are missing.
pub fn hash_password(password: &str) -> Result<String, HashPasswordError> {
    check_password(password)?;
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(HashPasswordError::Hash)?;
    Ok(hash.to_string())
}

/// A container root's password as `/etc/shadow` wants it: SHA-512, which every libc reads (crypt(5)).
///
/// # Errors
/// As [`hash_password`].
pub fn hash_root_password(password: &str) -> Result<String, HashPasswordError> {
    check_password(password)?;
    // 12 bytes are 16 characters, the most that libc takes; it cuts a longer salt in what it compares.
    let salt = crate::random::bytes::<12>().map_err(HashPasswordError::Salt)?;
    let hash = ShaCrypt::SHA512.hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(HashPasswordError::Hash)?.to_string())
}

/// Whether a password is the one behind a hash of [`hash_password`].
///
/// # Errors
/// When the hash is none.
pub fn verify_password(password: &str, hash: &str) -> Result<bool, VerifyPasswordError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Ok(false);
    }
    match Argon2::default().verify_password(password.as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(VerifyPasswordError(error)),
    }
}

/// Takes as long as [`verify_password`] and is never true: for users that do not exist, so that the
/// time of the answer does not tell who does.
#[must_use]
pub fn verify_dummy(password: &str) -> bool {
    let verified = verify_password(password, DUMMY);
    // The result must not be guessed away; that it is false is the point.
    std::hint::black_box(verified).is_ok_and(|_| false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_its_own_hash_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"));
        assert!(verify_password("correct horse", &hash).unwrap());
        assert!(!verify_password("correct horsf", &hash).unwrap());
        assert!(!verify_password("", &hash).unwrap());
        assert_ne!(hash, hash_password("correct horse").unwrap(), "the salt must be random");
        assert!(verify_password("correct horse", "plain text").is_err());
    }

    #[test]
    fn the_dummy_costs_what_a_real_hash_costs_and_never_opens() {
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(DUMMY), parameters(&hash_password("correct horse").unwrap()));
        // A dummy that cannot be read would answer at once.
        assert!(!verify_password("correct horse", DUMMY).unwrap());
        assert!(!verify_dummy("correct horse"));
    }

    #[test]
    fn poor_passwords_are_refused_with_the_reason() {
        assert!(matches!(
            hash_password("1234567"),
            Err(HashPasswordError::Refused(Refusal::PasswordTooShort { .. }))
        ));
        assert!(matches!(
            hash_password(&"x".repeat(1025)),
            Err(HashPasswordError::Refused(Refusal::PasswordTooLong { .. }))
        ));
        assert!(matches!(
            hash_root_password("eight\nor more"),
            Err(HashPasswordError::Refused(Refusal::PasswordControlCharacter))
        ));
        // Characters are counted, not bytes.
        assert!(check_password("ääääääää").is_ok());
        assert!(matches!(check_password("ääää"), Err(Refusal::PasswordTooShort { .. })));
    }

    #[test]
    fn roots_hash_is_one_that_libc_reads() {
        let is_behind = |password: &str, hash: &str| {
            let hash = sha_crypt::PasswordHash::new(hash).unwrap();
            ShaCrypt::SHA512.verify_password(password.as_bytes(), &hash).is_ok()
        };
        // What libxcrypt makes of this password and salt.
        let known = "$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8YZf/GV3A8SkFxEPY0T56CcilGrHKLffBsp6dLMG.";
        assert!(is_behind("correct horse", known));
        let hash = hash_root_password("correct horse").unwrap();
        assert!(is_behind("correct horse", &hash) && !is_behind("correct horsf", &hash));
        let fields: Vec<&str> = hash.split('$').collect();
        assert_eq!((fields[1], fields.len()), ("6", 5), "{hash}");
        assert_eq!(fields[3].len(), 16, "libc cuts a longer salt: {hash}");
        assert!(!hash.contains([':', '\n']));
    }
}
