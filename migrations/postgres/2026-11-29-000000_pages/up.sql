-- The web pages: signed-in browsers, and what was entered and not sent yet, as in migrations/sqlite.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE TABLE drafts (
    holder TEXT NOT NULL,
    code TEXT NOT NULL,
    saved_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (holder, code)
);
CREATE INDEX drafts_by_age ON drafts (saved_at);
