DROP TABLE key_uses;
DROP TRIGGER revisions_keep;
ALTER TABLE revisions DROP COLUMN origin;
CREATE TRIGGER revisions_keep BEFORE UPDATE OF revision, recorded_at, kind, actor, reason ON revisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
