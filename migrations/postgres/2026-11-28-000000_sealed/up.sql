-- Rows can be added only to the revision that is being written: the one whose row the same transaction has inserted. The trigger runs
-- once for each statement and checks all rows that the statement added.
CREATE FUNCTION egov_kpi_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lowest BIGINT;
    highest BIGINT;
    number BIGINT;
BEGIN
    SELECT min(revision), max(revision), count(*) INTO lowest, highest, number FROM added;
    IF number > 0 AND (
        lowest < 1
        OR highest - lowest + 1 <> number
        OR (SELECT max(revision) FROM revisions) <> highest
        OR (lowest > 1 AND NOT EXISTS (SELECT 1 FROM revisions WHERE revision = lowest - 1))
    ) THEN
        RAISE EXCEPTION 'a revision follows the newest one';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION egov_kpi_belongs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT DISTINCT revision FROM added) AS touched
        WHERE NOT EXISTS (
            SELECT 1 FROM revisions WHERE revisions.revision = touched.revision AND revisions.xmin = pg_current_xact_id()::xid
        )
    ) THEN
        RAISE EXCEPTION 'the revision is not being written';
    END IF;
    RETURN NULL;
END
$$;

-- The tables are those of this schema, whatever the caller's search path is. Without this a temporary table could replace `revisions`.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION egov_kpi_follows() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION egov_kpi_belongs() SET search_path = %I, pg_temp', current_schema());
END
$$;

CREATE TRIGGER follows AFTER INSERT ON revisions REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_follows();
CREATE TRIGGER belongs AFTER INSERT ON submissions REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON measures REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON unit_numbers REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON unit_versions REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON catalogue_versions REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON closings REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON declarations REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON touched_units REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();
CREATE TRIGGER belongs AFTER INSERT ON observations REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION egov_kpi_belongs();

-- The session that has locked this table is the only writer. Only roles that may change the table can lock it, so that another role of the
-- database cannot keep the service from writing, as it could with an advisory lock. The table has no rows.
CREATE TABLE writer_lock (
    id BIGINT NOT NULL PRIMARY KEY
);
