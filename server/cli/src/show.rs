//! Tables and JSON.

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::CliError;

/// Prints a value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<u8, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::Usage(e.to_string()))?;
    println!("{text}");
    Ok(0)
}

/// Prints rows below a header; control characters of others are taken out.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> u8 {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| plain(&cell)));
    }
    println!("{table}");
    0
}

/// Text without control characters: names and messages may come from a container.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Seconds as `12 d 4 h`, `4 h 3 min` or `3 min 2 s`.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
