-- The ledger. Append-only: the triggers at the end refuse every change of existing rows.
-- The letters 'egov' as a number: they distinguish a ledger from other programs' files before anything is changed.
PRAGMA application_id = 1701277558;

-- One row for each revision, numbered 1, 2, 3 ... without gaps; recorded_at is in microseconds since 1970 and never decreases.
CREATE TABLE revisions (
    revision INTEGER NOT NULL PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT
) STRICT;

-- The submission of one request or file. The revision is the table's own key (both are unique), which saves an index.
CREATE TABLE submissions (
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL PRIMARY KEY REFERENCES revisions (revision),
    source_kind TEXT NOT NULL,
    reference TEXT,
    created INTEGER NOT NULL,
    revised INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL,
    findings TEXT NOT NULL,
    withdraws TEXT REFERENCES submissions (id)
) STRICT;

-- Dictionaries: a figure names its unit and its measure by number.
CREATE TABLE measures (
    id INTEGER NOT NULL PRIMARY KEY,
    code TEXT NOT NULL,
    members TEXT NOT NULL,
    UNIQUE (code, members)
) STRICT;

CREATE TABLE unit_numbers (
    number INTEGER NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE
) STRICT;

-- One row for each recorded figure; a row without a mantissa is a withdrawal. month is the number of months since year 0.
-- No foreign keys here: they cost a quarter to a third of the speed of an import. touched_units has those of the unit
-- and of the revision; the program looks up the measures once in each transaction (writes.rs).
CREATE TABLE observations (
    revision INTEGER NOT NULL,
    unit INTEGER NOT NULL,
    measure INTEGER NOT NULL,
    month INTEGER NOT NULL,
    mantissa INTEGER,
    scale INTEGER NOT NULL,
    PRIMARY KEY (revision, unit, measure, month)
) WITHOUT ROWID, STRICT;

-- The revisions with figures of a unit, so that reading one unit's figures needs no scan.
CREATE TABLE touched_units (
    unit INTEGER NOT NULL REFERENCES unit_numbers (number),
    revision INTEGER NOT NULL REFERENCES revisions (revision),
    PRIMARY KEY (unit, revision)
) WITHOUT ROWID, STRICT;

CREATE TABLE unit_versions (
    unit INTEGER NOT NULL REFERENCES unit_numbers (number),
    revision INTEGER NOT NULL REFERENCES revisions (revision),
    document TEXT NOT NULL,
    PRIMARY KEY (unit, revision)
) STRICT;

CREATE TABLE catalogue_versions (
    version INTEGER NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL REFERENCES revisions (revision),
    document TEXT NOT NULL
) STRICT;

CREATE TRIGGER revisions_keep BEFORE UPDATE ON revisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER revisions_stay BEFORE DELETE ON revisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER submissions_keep BEFORE UPDATE ON submissions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER submissions_stay BEFORE DELETE ON submissions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER measures_keep BEFORE UPDATE ON measures BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER measures_stay BEFORE DELETE ON measures BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER unit_numbers_keep BEFORE UPDATE ON unit_numbers BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER unit_numbers_stay BEFORE DELETE ON unit_numbers BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER observations_keep BEFORE UPDATE ON observations BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER observations_stay BEFORE DELETE ON observations BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER touched_units_keep BEFORE UPDATE ON touched_units BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER touched_units_stay BEFORE DELETE ON touched_units BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER unit_versions_keep BEFORE UPDATE ON unit_versions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER unit_versions_stay BEFORE DELETE ON unit_versions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER catalogue_versions_keep BEFORE UPDATE ON catalogue_versions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER catalogue_versions_stay BEFORE DELETE ON catalogue_versions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
