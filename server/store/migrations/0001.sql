-- What a cluster would share: containers as decided, templates, users, rights.
CREATE TABLE containers (
    vmid    INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    id_slot INTEGER NOT NULL UNIQUE,
    mac     TEXT UNIQUE,
    address TEXT UNIQUE,
    version INTEGER NOT NULL,
    config  TEXT NOT NULL            -- ContainerConfig as JSON; the columns above repeat what must be unique
) STRICT;
CREATE TABLE templates (
    name     TEXT PRIMARY KEY,
    template TEXT NOT NULL           -- ContainerTemplate as JSON
) STRICT;
CREATE TABLE users (
    user          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    preferences   TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE TABLE acl (
    path TEXT NOT NULL,
    user TEXT NOT NULL REFERENCES users(user) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (path, user)
) STRICT;

-- What this node owns: what is wanted and was seen here, tasks, journal, sessions, history.
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE container_state (
    vmid        INTEGER PRIMARY KEY REFERENCES containers(vmid) ON DELETE CASCADE,
    power_state TEXT NOT NULL,
    last_error  TEXT,
    uuid        TEXT NOT NULL
) STRICT;
CREATE TABLE tasks (
    number  INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    object  TEXT NOT NULL,
    state   TEXT NOT NULL,
    started INTEGER NOT NULL,
    task    TEXT NOT NULL            -- Task as JSON
) STRICT;
CREATE INDEX tasks_by_object ON tasks(object, number);
CREATE TABLE task_log (
    task INTEGER NOT NULL REFERENCES tasks(number) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
    id        INTEGER PRIMARY KEY,
    operation TEXT NOT NULL,
    object    TEXT NOT NULL,
    task      TEXT NOT NULL,
    payload   TEXT NOT NULL
) STRICT;
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    user       TEXT NOT NULL REFERENCES users(user) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created    INTEGER NOT NULL,
    seen       INTEGER NOT NULL
) STRICT;
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    address TEXT,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    result  TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
