//! Numbers and times as people read them, in both languages.

use jiff::{Timestamp, tz::TimeZone};
use model::Bytes;

use crate::text::Language;

/// A narrow space that does not break, between number and unit.
const SPACE: char = '\u{202f}';

fn decimal(language: Language, text: String) -> String {
    match language {
        Language::En => text,
        Language::De => text.replace('.', ","),
    }
}

/// Three significant digits with a binary unit: `1.93 GiB`.
pub(crate) fn bytes(language: Language, Bytes(n): Bytes) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    // Hundredths, so that no float is needed.
    let mut hundredths = u128::from(n) * 100;
    while hundredths >= 102_350 && unit + 1 < units.len() {
        hundredths = (hundredths + 512) / 1024;
        unit += 1;
    }
    let (whole, part) = (hundredths / 100, hundredths % 100);
    let number = match (unit, whole) {
        (0, _) => whole.to_string(),
        (_, 100..) => ((hundredths + 50) / 100).to_string(),
        (_, 10..) => match (hundredths + 5) / 10 {
            tenths if tenths % 10 == 0 => (tenths / 10).to_string(),
            tenths => format!("{}.{}", tenths / 10, tenths % 10),
        },
        _ if part == 0 => whole.to_string(),
        _ => format!("{whole}.{part:02}"),
    };
    format!("{}{SPACE}{}", decimal(language, number), units[unit])
}

/// Bytes a second.
pub(crate) fn rate(language: Language, per_second: u64) -> String {
    format!("{}/s", bytes(language, Bytes(per_second)))
}

/// Hundredths of a percent with one digit after the point: `27.4 %`.
pub(crate) fn percent(language: Language, hundredths: u64) -> String {
    let tenths = (hundredths + 5) / 10;
    format!("{}{SPACE}%", decimal(language, format!("{}.{}", tenths / 10, tenths % 10)))
}

/// Share of a limit as a whole percentage from 0 to 100, for a meter's width.
pub(crate) fn share(used: u64, of: u64) -> u64 {
    if of == 0 { 0 } else { (u128::from(used) * 100 / u128::from(of)).min(100).try_into().unwrap_or(100) }
}

/// The two largest parts of a duration: `12 d 4 h`, `45 s`.
pub(crate) fn duration(seconds: u64) -> String {
    let parts = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut shown = Vec::new();
    for (size, unit) in parts {
        let count = rest / size;
        rest %= size;
        if count > 0 || (!shown.is_empty()) {
            shown.push((count, unit));
        }
        if shown.len() == 2 {
            break;
        }
    }
    if shown.is_empty() {
        shown.push((0, "s"));
    }
    let text: Vec<String> = shown
        .iter()
        .filter(|(n, _)| *n > 0 || shown.len() == 1)
        .map(|(n, u)| format!("{n}{SPACE}{u}"))
        .collect();
    text.join(" ")
}

/// A point in time in the node's zone: `2026-09-24 14:03:22`, `24.09.2026 14:03:22`.
pub(crate) fn time(language: Language, unix: i64) -> String {
    let Ok(timestamp) = Timestamp::from_second(unix) else { return "?".to_owned() };
    let zoned = timestamp.to_zoned(TimeZone::system());
    let form = match language {
        Language::En => "%Y-%m-%d %H:%M:%S",
        Language::De => "%d.%m.%Y %H:%M:%S",
    };
    zoned.strftime(form).to_string()
}

/// A point in time for machines, `<time datetime>`.
pub(crate) fn time_machine(unix: i64) -> String {
    Timestamp::from_second(unix).map(|t| t.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace(SPACE, " ")
    }

    #[test]
    fn sizes_have_three_digits_and_the_languages_mark() {
        for (n, en, de) in [
            (0, "0 B", "0 B"),
            (999, "999 B", "999 B"),
            (1024, "1 KiB", "1 KiB"),
            (1536, "1.50 KiB", "1,50 KiB"),
            (29 << 20, "29 MiB", "29 MiB"),
            (30_932_992, "29.5 MiB", "29,5 MiB"),
            (512 << 20, "512 MiB", "512 MiB"),
            (1023 << 20, "1023 MiB", "1023 MiB"),
            (2_072_321_720, "1.93 GiB", "1,93 GiB"),
            (u64::MAX, "16384 PiB", "16384 PiB"),
        ] {
            assert_eq!(plain(bytes(Language::En, Bytes(n))), en);
            assert_eq!(plain(bytes(Language::De, Bytes(n))), de);
        }
    }

    #[test]
    fn percents_and_shares_are_bounded() {
        assert_eq!(plain(percent(Language::De, 2744)), "27,4 %");
        assert_eq!(plain(percent(Language::En, 0)), "0.0 %");
        assert_eq!([share(1, 0), share(1, 2), share(9, 3)], [0, 50, 100]);
    }

    #[test]
    fn durations_show_two_parts() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (3661, "1 h 1 min"), (1_051_200, "12 d 4 h")]
        {
            assert_eq!(plain(duration(seconds)), text);
        }
    }
}
