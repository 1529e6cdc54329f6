-- Versions of targets and annotations, as in migrations/sqlite.
CREATE TABLE declarations (
    revision BIGINT NOT NULL REFERENCES revisions (revision),
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    document TEXT,
    PRIMARY KEY (revision, kind, code)
);
CREATE INDEX declarations_by_code ON declarations (kind, code, revision);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON declarations EXECUTE FUNCTION egov_kpi_append_only();
