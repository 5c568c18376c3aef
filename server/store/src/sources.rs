//! What sources of templates offered when they were last asked.

use model::source::{Offer, Source};
use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

/// What is remembered of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceRow {
    /// Of the newest signed index that was believed: an older one is not taken again.
    pub serial: u64,
    /// Unix seconds of the last success.
    pub refreshed: Option<i64>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// What it offers.
    pub offers: Vec<Offer>,
}

impl Store {
    /// What is remembered; nothing of a source that has another address now.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_source(&self, source: &Source) -> Result<SourceRow, StoreError> {
        let sql = "SELECT serial, refreshed, error, offers FROM sources WHERE name = ?1 AND url = ?2";
        let connection = self.lock();
        let row = connection.query_row(sql, [source.name.as_str(), &source.url], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get::<_, String>(3)?))
        });
        let Some((serial, refreshed, error, offers)) = row.optional()? else {
            return Ok(SourceRow::default());
        };
        Ok(SourceRow { serial, refreshed, error, offers: serde_json::from_str(&offers)? })
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn put_source(&self, source: &Source, row: &SourceRow) -> Result<(), StoreError> {
        let offers = serde_json::to_string(&row.offers)?;
        let sql = "INSERT OR REPLACE INTO sources VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let SourceRow { serial, refreshed, error, .. } = row;
        self.lock()
            .execute(sql, params![source.name.as_str(), source.url, serial, refreshed, error, offers])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        Bytes,
        source::{SourceKind, Trust},
    };

    #[test]
    fn a_source_is_remembered_under_its_address() {
        let store = Store::in_memory().unwrap();
        let source = |url: &str| Source {
            name: "friends".parse().unwrap(),
            kind: SourceKind::Index,
            url: url.into(),
            trust: Trust::Ed25519([7; 32]),
            key: None,
        };
        let here = source("https://a.example/");
        assert_eq!(store.find_source(&here).unwrap(), SourceRow::default());
        let offer = Offer {
            name: "debian-12".parse().unwrap(),
            version: "1".into(),
            title: String::new(),
            description: "d".into(),
            url: "https://a.example/x".into(),
            size: Some(Bytes(7)),
            metadata: None,
            checksum: "ab".repeat(32).parse().unwrap(),
        };
        let row = SourceRow { serial: 7, refreshed: Some(5), error: None, offers: vec![offer] };
        store.put_source(&here, &row).unwrap();
        assert_eq!(store.find_source(&here).unwrap(), row);
        assert_eq!(store.find_source(&source("https://b.example/")).unwrap(), SourceRow::default());
    }
}
