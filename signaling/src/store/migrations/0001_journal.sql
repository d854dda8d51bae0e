-- One row per hearing: the state as of its last entry, written in the same transaction as the entry.
CREATE TABLE hearing (
    id      TEXT PRIMARY KEY,
    seq     INTEGER NOT NULL,
    sealed  INTEGER NOT NULL DEFAULT 0,
    kept    TEXT NOT NULL
) STRICT;

-- What happened, in order and without a gap; never changed, never deleted.
CREATE TABLE entry (
    hearing TEXT NOT NULL REFERENCES hearing (id),
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    cause   TEXT NOT NULL,
    change  TEXT NOT NULL,
    PRIMARY KEY (hearing, seq)
) STRICT, WITHOUT ROWID;
