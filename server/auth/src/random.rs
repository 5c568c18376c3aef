//! Random bytes from the kernel, getrandom(2); the only place that asks for them.

use base64::{Engine, prelude::BASE64_STANDARD};
use thiserror::Error;
use zeroize::Zeroizing;

/// The kernel gave no random bytes.
#[derive(Debug, Error)]
#[error("get random bytes from the kernel")]
pub struct RandomError(#[source] getrandom::Error);

/// Random bytes, for secrets as for MAC addresses.
///
/// # Errors
/// When the kernel gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

/// A password of so many characters, without those that look alike: 5.8 bits each. From three characters on it has
/// small letters, capitals and digits, as domains demand it: about one in twenty of 20 would have no digit.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn password(length: u8) -> Result<Zeroizing<String>, RandomError> {
    loop {
        // Drawn anew as a whole: a character put in afterwards would have a place that one can guess.
        let text = draw(length)?;
        if length < 3 || is_mixed(&text) {
            return Ok(text);
        }
    }
}

fn draw(length: u8) -> Result<Zeroizing<String>, RandomError> {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut text = Zeroizing::new(String::new());
    while text.len() < length.into() {
        // A byte past the last whole round would favour the first letters.
        let byte = usize::from(bytes::<1>()?[0]);
        if byte < 256 / LETTERS.len() * LETTERS.len() {
            text.push(char::from(LETTERS[byte % LETTERS.len()]));
        }
    }
    Ok(text)
}

fn is_mixed(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

/// A random UUID (version 4) in its usual form.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn uuid() -> Result<String, RandomError> {
    let [high, low] = [bytes::<8>()?, bytes::<8>()?].map(u64::from_be_bytes);
    let high = (high & !0xf000) | 0x4000;
    let low = (low & (u64::MAX >> 2)) | 1 << 63;
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    ))
}

/// 32 random bytes in base64, the body of every token: 44 characters.
pub(crate) fn secret() -> Result<Zeroizing<String>, RandomError> {
    let bytes = Zeroizing::new(bytes::<32>()?);
    Ok(Zeroizing::new(BASE64_STANDARD.encode(*bytes)))
}

/// Whether a text has the form of [`secret`].
pub(crate) fn is_secret(text: &str) -> bool {
    text.len() == 44 && BASE64_STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Unix seconds as Proxmox writes them in tickets: eight upper-case hex digits.
pub(crate) fn hex_time(now: i64) -> String {
    format!("{:08X}", u32::try_from(now).unwrap_or(if now < 0 { 0 } else { u32::MAX }))
}

/// Reads [`hex_time`]; no other spelling.
pub(crate) fn parse_hex_time(text: &str) -> Option<i64> {
    let is_plain = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    is_plain.then(|| i64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4_and_differ() {
        let (a, b) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(a, b);
        let groups: Vec<&str> = a.split('-').collect();
        assert_eq!(groups.iter().map(|g| g.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{a}");
        assert!(groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']), "{a}");
    }

    #[test]
    fn passwords_have_letters_of_both_cases_and_digits() {
        for (text, mixed) in [("aB2", true), ("aB", false), ("a2", false), ("B2", false)] {
            assert_eq!(is_mixed(text), mixed, "{text}");
        }
        // Of 2000 that are drawn once, some hundred would lack digits.
        for _ in 0..2000 {
            let text = password(20).unwrap();
            assert!(text.len() == 20 && is_mixed(&text));
        }
        assert_eq!(password(1).unwrap().len(), 1);
    }

    #[test]
    fn times_have_one_spelling() {
        assert_eq!(hex_time(0x68A1_B2C3), "68A1B2C3");
        assert_eq!(parse_hex_time("68A1B2C3"), Some(0x68A1_B2C3));
        for bad in ["68a1b2c3", "+8A1B2C3", "8A1B2C3", "068A1B2C3", ""] {
            assert_eq!(parse_hex_time(bad), None, "{bad}");
        }
    }
}
