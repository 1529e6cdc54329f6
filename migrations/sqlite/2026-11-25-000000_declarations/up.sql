-- Versions of targets and annotations, each identified by kind and code. A version without a document removes the entry
-- from that revision on.
CREATE TABLE declarations (
    revision INTEGER NOT NULL REFERENCES revisions (revision),
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    document TEXT,
    PRIMARY KEY (revision, kind, code)
) WITHOUT ROWID, STRICT;
-- The versions of one entry next to each other, so that finding the newest one up to a revision needs no scan.
CREATE INDEX declarations_by_code ON declarations (kind, code, revision);
CREATE TRIGGER declarations_keep BEFORE UPDATE ON declarations BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER declarations_stay BEFORE DELETE ON declarations BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
