-- Where each revision came from, and when each API key was last used, as in migrations/sqlite.
ALTER TABLE revisions ADD COLUMN origin TEXT;
CREATE TABLE key_uses (
    key TEXT NOT NULL PRIMARY KEY,
    last_used_at BIGINT NOT NULL,
    address TEXT
);
