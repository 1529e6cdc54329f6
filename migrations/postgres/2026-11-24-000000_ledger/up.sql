-- The ledger, as in migrations/sqlite, which describes each table. Append-only: one trigger function refuses every
-- change of existing rows. All whole numbers are BIGINT. Each primary key begins with the column by which a distributed
-- engine would spread the rows, or the table is a small dictionary that such an engine would copy to every node.

CREATE TABLE revisions (
    revision BIGINT NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    hash TEXT NOT NULL
);

CREATE TABLE submissions (
    id TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL PRIMARY KEY REFERENCES revisions (revision),
    source_kind TEXT NOT NULL,
    reference TEXT,
    created BIGINT NOT NULL,
    revised BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    withdrawn BIGINT NOT NULL,
    findings TEXT NOT NULL,
    withdraws TEXT REFERENCES submissions (id)
);

CREATE TABLE measures (
    id BIGINT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL,
    members TEXT NOT NULL,
    revision BIGINT NOT NULL REFERENCES revisions (revision),
    UNIQUE (code, members)
);

CREATE TABLE unit_numbers (
    number BIGINT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL REFERENCES revisions (revision)
);

-- No foreign keys here, as in SQLite: they would look up every single row. touched_units has those of the unit and
-- of the revision; the program looks up the measures once in each transaction.
CREATE TABLE observations (
    revision BIGINT NOT NULL,
    unit BIGINT NOT NULL,
    measure BIGINT NOT NULL,
    month BIGINT NOT NULL,
    mantissa BIGINT,
    scale BIGINT NOT NULL,
    PRIMARY KEY (revision, unit, measure, month)
);

CREATE TABLE touched_units (
    unit BIGINT NOT NULL REFERENCES unit_numbers (number),
    revision BIGINT NOT NULL REFERENCES revisions (revision),
    PRIMARY KEY (unit, revision)
);

CREATE TABLE unit_versions (
    unit BIGINT NOT NULL REFERENCES unit_numbers (number),
    revision BIGINT NOT NULL REFERENCES revisions (revision),
    document TEXT NOT NULL,
    PRIMARY KEY (unit, revision)
);

CREATE TABLE catalogue_versions (
    version BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL REFERENCES revisions (revision),
    document TEXT NOT NULL
);

CREATE TABLE closings (
    revision BIGINT NOT NULL REFERENCES revisions (revision),
    month BIGINT NOT NULL,
    closed BIGINT NOT NULL,
    PRIMARY KEY (revision, month)
);

-- Not part of the ledger: rows are kept for some days, then deleted.
CREATE TABLE idempotency_keys (
    holder TEXT NOT NULL,
    target TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (holder, target, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (recorded_at);

CREATE FUNCTION egov_kpi_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END
$$;

-- A trigger for each statement, not for each row, because the refusal does not depend on the rows.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revisions EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON submissions EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON measures EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON unit_numbers EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON observations EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON touched_units EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON unit_versions EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalogue_versions EXECUTE FUNCTION egov_kpi_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closings EXECUTE FUNCTION egov_kpi_append_only();
