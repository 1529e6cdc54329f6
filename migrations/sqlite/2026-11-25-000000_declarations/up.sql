-- Versions of what is declared about figures: targets and annotations, each known by its kind and code. Without a document
-- it is taken away from that revision on.
CREATE TABLE declarations (
    revision INTEGER NOT NULL REFERENCES revisions (revision),
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    document TEXT,
    PRIMARY KEY (revision, kind, code)
) WITHOUT ROWID, STRICT;
-- The versions of one declaration side by side, so that the newest up to a revision needs no scan.
CREATE INDEX declarations_by_code ON declarations (kind, code, revision);
CREATE TRIGGER declarations_keep BEFORE UPDATE ON declarations BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER declarations_stay BEFORE DELETE ON declarations BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
