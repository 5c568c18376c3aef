//! The one-time setup code: who can read the node's terminal may make the first administrator.
//!
//! 16 characters of Crockford's alphabet (80 random bits), which has no I, L, O and U; what people
//! type instead of 1 and 0 is taken as such. The database keeps only a hash.

use std::fmt;

use zeroize::Zeroizing;

use crate::random::{self, RandomError};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 16;

/// Four groups of four characters with dashes between them.
#[derive(Clone)]
pub struct SetupCode(Zeroizing<String>);

impl SetupCode {
    /// A new one.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn issue() -> Result<Self, RandomError> {
        let bytes = random::bytes::<LENGTH>()?;
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + 3));
        for (position, byte) in bytes.iter().enumerate() {
            if position > 0 && position % 4 == 0 {
                text.push('-');
            }
            // 32 characters: the low five bits choose each with the same chance.
            text.push(char::from(ALPHABET[usize::from(byte & 31)]));
        }
        Ok(Self(text))
    }

    /// The code itself, for the terminal.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the database keeps.
    #[must_use]
    pub fn sha256(&self) -> String {
        crate::sha256_hex(&normalise(&self.0))
    }

    /// Whether what was typed is the code behind a hash; case, dashes and blanks do not matter.
    #[must_use]
    pub fn is_behind(hash: &str, typed: &str) -> bool {
        // Hostile lengths are not worth hashing, and no code has them.
        typed.len() <= 64 && crate::is_same(hash, &crate::sha256_hex(&normalise(typed)))
    }
}

impl fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupCode")
    }
}

fn normalise(typed: &str) -> Zeroizing<String> {
    let plain = typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    Zeroizing::new(plain.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_four_groups_of_four_and_random() {
        let code = SetupCode::issue().unwrap();
        let groups: Vec<&str> = code.reveal().split('-').collect();
        assert_eq!(groups.iter().map(|g| g.len()).collect::<Vec<_>>(), [4; 4]);
        assert!(groups.concat().bytes().all(|b| ALPHABET.contains(&b)));
        assert_ne!(code.reveal(), SetupCode::issue().unwrap().reveal());
        assert_eq!(format!("{code:?}"), "SetupCode");
    }

    #[test]
    fn it_is_recognised_however_it_is_typed() {
        let code = SetupCode(Zeroizing::new("0123-1ABC-XYZ0-KMNP".to_owned()));
        let hash = code.sha256();
        for typed in
            ["0123-1ABC-XYZ0-KMNP", "01231abcxyz0kmnp", " O123 lABC-xyzo KMNP ", "0i23-iabc-xyz0-kmnp"]
        {
            assert!(SetupCode::is_behind(&hash, typed), "{typed}");
        }
        for typed in ["", "0123-1ABC-XYZ0-KMNQ", "0123-1ABC-XYZ0", &"0".repeat(100_000)] {
            assert!(!SetupCode::is_behind(&hash, typed), "{typed:.40}");
        }
        assert!(!SetupCode::is_behind("", ""));
    }
}
