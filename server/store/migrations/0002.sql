-- What an application needs to be remembered: secrets that are shown again, and how it was.
CREATE TABLE secrets (
    vmid   INTEGER NOT NULL REFERENCES containers(vmid) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    sealed TEXT NOT NULL,            -- with the key that lies beside the database
    PRIMARY KEY (vmid, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE forwards (
    port     INTEGER NOT NULL,       -- of the node; what it leads to stands in the container's configuration
    protocol TEXT NOT NULL,
    vmid     INTEGER NOT NULL REFERENCES containers(vmid) ON DELETE CASCADE,
    PRIMARY KEY (port, protocol)
) STRICT, WITHOUT ROWID;
CREATE TABLE health (
    id     INTEGER PRIMARY KEY,
    vmid   INTEGER NOT NULL REFERENCES containers(vmid) ON DELETE CASCADE,
    change TEXT NOT NULL             -- HealthChange as JSON
) STRICT;
CREATE INDEX health_by_container ON health(vmid, id);
