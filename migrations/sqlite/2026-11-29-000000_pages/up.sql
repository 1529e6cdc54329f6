-- The web pages. Neither table is part of the ledger, and neither gives anybody access.
-- Signed-in browsers. `id` is the hash of the cookie, `sealed` the key of the person who signed in, encrypted with the cookie: without the
-- cookie nobody can read it, and without a valid key nobody can make a row that signs somebody in.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX sessions_by_use ON sessions (last_used_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
-- What people have entered or uploaded and not sent yet.
CREATE TABLE drafts (
    holder TEXT NOT NULL,
    code TEXT NOT NULL,
    saved_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (holder, code)
) STRICT;
CREATE INDEX drafts_by_age ON drafts (saved_at);
