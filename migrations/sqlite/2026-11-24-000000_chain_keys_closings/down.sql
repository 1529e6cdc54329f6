DROP TABLE idempotency_keys;
DROP TABLE closings;
ALTER TABLE unit_numbers DROP COLUMN revision;
ALTER TABLE measures DROP COLUMN revision;
DROP TRIGGER revisions_keep_hash;
ALTER TABLE revisions DROP COLUMN hash;
DROP TRIGGER revisions_keep;
CREATE TRIGGER revisions_keep BEFORE UPDATE ON revisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
