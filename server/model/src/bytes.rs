//! A number of bytes, read from what people type and printed in binary units.

use std::{fmt, str::FromStr};

use crate::Refusal;

/// A number of bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const KIB: u64 = 1 << 10;
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", KIB), ("B", 1)];

impl Bytes {
    /// So many MiB; saturates.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n.saturating_mul(1 << 20))
    }

    /// Whole MiB, rounded down.
    #[must_use]
    pub const fn as_mib(self) -> u64 {
        self.0 >> 20
    }

    /// The size as a form shows it: the largest unit that divides it, so that nothing is lost when it comes
    /// back unchanged.
    #[must_use]
    pub fn to_exact_text(self) -> String {
        let unit = UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size));
        unit.map_or_else(|| "0".to_owned(), |(name, size)| format!("{} {name}", self.0 / size))
    }

    /// Reads a size as people type it (`512M`, `2 GiB`, `1,5g`); a bare number counts `unit` each.
    ///
    /// # Errors
    /// When it is no number with a known unit, or does not fit.
    pub fn parse_with_default_unit(s: &str, unit: Self) -> Result<Self, Refusal> {
        let err = || Refusal::NotASize { given: s.to_owned() };
        let text = s.trim();
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let factor = match suffix.trim().to_ascii_lowercase().as_str() {
            "" => unit.0,
            "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => KIB.pow(2),
            "g" | "gb" | "gib" => KIB.pow(3),
            "t" | "tb" | "tib" => KIB.pow(4),
            _ => return Err(err()),
        };
        let number = number.replace(',', ".");
        let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
        if whole.is_empty() || fraction.len() > 6 {
            return Err(err());
        }
        let whole: u64 = whole.parse().map_err(|_| err())?;
        let mut sum = whole.checked_mul(factor).ok_or_else(err)?;
        if !fraction.is_empty() {
            let digits: u64 = fraction.parse().map_err(|_| err())?;
            let scale = 10u64.pow(u32::try_from(fraction.len()).map_err(|_| err())?);
            let part = u128::from(digits) * u128::from(factor) / u128::from(scale);
            sum = sum.checked_add(u64::try_from(part).map_err(|_| err())?).ok_or_else(err)?;
        }
        Ok(Self(sum))
    }
}

impl FromStr for Bytes {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::parse_with_default_unit(s, Self(1))
    }
}

impl fmt::Display for Bytes {
    /// Three significant digits, binary units: `1.93 GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS.iter().find(|(_, size)| self.0 >= *size).copied().unwrap_or(("B", 1));
        if size == 1 {
            return write!(f, "{} B", self.0);
        }
        let hundredths = u128::from(self.0) * 100 / u128::from(size);
        match hundredths {
            0..1_000 => write!(f, "{}.{:02} {unit}", hundredths / 100, hundredths % 100),
            1_000..10_000 => write!(f, "{}.{} {unit}", hundredths / 100, hundredths % 100 / 10),
            _ => write!(f, "{} {unit}", hundredths / 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_back_what_it_showed() {
        for n in [0, 1, 1023, 1024, 1500 << 20, 3 << 30, (1 << 30) + 1, u64::from(u32::MAX)] {
            let text = Bytes(n).to_exact_text();
            assert_eq!(Bytes::parse_with_default_unit(&text, Bytes(1)), Ok(Bytes(n)), "{text}");
        }
        assert_eq!(Bytes::mib(1500).to_exact_text(), "1500 MiB");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, want) in
            [("2g", 2 << 30), ("2 GiB", 2 << 30), ("2048", 2048), ("1,5g", 3 << 29), ("1.5 K", 1536)]
        {
            assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(want), "{text}");
        }
        for bad in ["", "g", "-1", "1x", "1.2.3", "99999999999999999999", "20000000T", ".5"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!(Bytes::parse_with_default_unit("512", Bytes::mib(1)).unwrap(), Bytes::mib(512));
    }

    #[test]
    fn sizes_are_printed_with_three_digits() {
        for (n, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.50 KiB"),
            (512 << 20, "512 MiB"),
            (2_072_000_000, "1.92 GiB"),
        ] {
            assert_eq!(Bytes(n).to_string(), want);
        }
    }
}
