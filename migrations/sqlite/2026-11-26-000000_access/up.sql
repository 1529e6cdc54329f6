-- Where each revision came from, as JSON; null for revisions of older programs. The hash chain covers it (crates/ledger/src/chain.rs).
ALTER TABLE revisions ADD COLUMN origin TEXT;
DROP TRIGGER revisions_keep;
CREATE TRIGGER revisions_keep BEFORE UPDATE OF revision, recorded_at, kind, actor, reason, origin ON revisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- When each API key was last used, and from which address. Not part of the ledger: it changes all the time, and nothing depends on it.
CREATE TABLE key_uses (
    key TEXT NOT NULL PRIMARY KEY,
    last_used_at INTEGER NOT NULL,
    address TEXT
) WITHOUT ROWID, STRICT;
