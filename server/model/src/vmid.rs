//! A container's number, as in Proxmox VE: 100 and up.

use std::{fmt, str::FromStr};

use crate::Refusal;

/// Container number, 100 to 999,999,999 (Proxmox's range).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vmid(u32);

impl Vmid {
    /// The lowest number; the search for a free one starts here.
    pub const FIRST: Self = Self(100);
    const LAST: u32 = 999_999_999;

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The next number up, if there is one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self.0 < Self::LAST).then_some(Self(self.0 + 1))
    }
}

impl TryFrom<u32> for Vmid {
    type Error = Refusal;
    fn try_from(n: u32) -> Result<Self, Self::Error> {
        if (Self::FIRST.0..=Self::LAST).contains(&n) {
            Ok(Self(n))
        } else {
            Err(Refusal::NotAVmid { given: n.to_string() })
        }
    }
}

impl From<Vmid> for u32 {
    fn from(v: Vmid) -> Self {
        v.0
    }
}

impl FromStr for Vmid {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let plain = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let n: u32 = plain
            .then(|| s.parse().ok())
            .flatten()
            .ok_or_else(|| Refusal::NotAVmid { given: s.to_owned() })?;
        n.try_into()
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_from_100_are_vmids() {
        for bad in ["", "99", "-100", "+100", "1000000000", "4294967396", "1e3", "web"] {
            assert!(bad.parse::<Vmid>().is_err(), "{bad}");
        }
        assert_eq!("100".parse::<Vmid>().unwrap(), Vmid::FIRST);
        assert_eq!("999999999".parse::<Vmid>().unwrap().next(), None);
    }
}
