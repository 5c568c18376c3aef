-- What sources of templates offered when they were last asked.
CREATE TABLE sources (
    name      TEXT PRIMARY KEY,
    url       TEXT NOT NULL,         -- another one means another source
    serial    INTEGER NOT NULL,      -- of the newest signed index that was believed
    refreshed INTEGER,
    error     TEXT,
    offers    TEXT NOT NULL          -- Offer as JSON, a list
) STRICT, WITHOUT ROWID;
