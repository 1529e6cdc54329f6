DROP TABLE idempotency_keys, closings, catalogue_versions, unit_versions, touched_units, observations, unit_numbers, measures, submissions, revisions;
DROP FUNCTION egov_kpi_append_only();
