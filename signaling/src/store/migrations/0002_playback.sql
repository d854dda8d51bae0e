-- Who may look at a record: only the hash of a link's secret is kept. Never deleted, so that views keep their name.
CREATE TABLE share (
    id      INTEGER PRIMARY KEY,
    hearing TEXT NOT NULL,
    hash    BLOB NOT NULL UNIQUE,
    name    TEXT NOT NULL,
    public  INTEGER NOT NULL,
    made    INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    revoked INTEGER
) STRICT;

-- Who looked at what: every opening, refusal, file and span. Never changed, never deleted.
CREATE TABLE view (
    id      INTEGER PRIMARY KEY,
    hearing TEXT NOT NULL,
    share   INTEGER REFERENCES share (id),
    at      INTEGER NOT NULL,
    address TEXT NOT NULL,
    act     TEXT NOT NULL,
    file    TEXT,
    from_ms INTEGER,
    to_ms   INTEGER
) STRICT;
CREATE INDEX view_of_hearing ON view (hearing, id);
