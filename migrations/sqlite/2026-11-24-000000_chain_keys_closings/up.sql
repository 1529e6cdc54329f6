-- The hash chain: each revision's hash covers everything that it wrote and the hash before it. The program computes the
-- hashes of older revisions right after this migration; a hash that is set cannot be changed.
ALTER TABLE revisions ADD COLUMN hash TEXT;
DROP TRIGGER revisions_keep;
CREATE TRIGGER revisions_keep BEFORE UPDATE OF revision, recorded_at, kind, actor, reason ON revisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER revisions_keep_hash BEFORE UPDATE OF hash ON revisions WHEN OLD.hash IS NOT NULL BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- The revision that introduced a number. For older numbers: the first revision that names the number or a later one,
-- so that numbers and revisions increase together.
ALTER TABLE measures ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE unit_numbers ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER measures_keep;
DROP TRIGGER unit_numbers_keep;
CREATE TEMPORARY TABLE first_figures AS SELECT measure, min(revision) AS revision FROM observations GROUP BY measure;
CREATE TEMPORARY TABLE brought_by AS
    SELECT id, min(coalesce(first_figures.revision, (SELECT max(revision) FROM revisions))) OVER (ORDER BY id DESC) AS revision
    FROM measures LEFT JOIN first_figures ON first_figures.measure = measures.id;
UPDATE measures SET revision = (SELECT brought_by.revision FROM brought_by WHERE brought_by.id = measures.id);
UPDATE unit_numbers SET revision = coalesce((SELECT min(unit_versions.revision) FROM unit_versions WHERE unit = number), (SELECT max(revision) FROM revisions));
DROP TABLE first_figures;
DROP TABLE brought_by;
CREATE TRIGGER measures_keep BEFORE UPDATE ON measures BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER unit_numbers_keep BEFORE UPDATE ON unit_numbers BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Closings (1) and reopenings (0) of months.
CREATE TABLE closings (
    revision INTEGER NOT NULL REFERENCES revisions (revision),
    month INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    PRIMARY KEY (revision, month)
) WITHOUT ROWID, STRICT;
CREATE TRIGGER closings_keep BEFORE UPDATE ON closings BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER closings_stay BEFORE DELETE ON closings BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- First responses to requests with an Idempotency-Key. Not part of the ledger: rows are kept for some days, then deleted.
CREATE TABLE idempotency_keys (
    holder TEXT NOT NULL,
    target TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (holder, target, key)
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (recorded_at);
