-- Children before parents; dropping a table drops its triggers.
DROP TABLE catalogue_versions;
DROP TABLE unit_versions;
DROP TABLE touched_units;
DROP TABLE observations;
DROP TABLE unit_numbers;
DROP TABLE measures;
DROP TABLE submissions;
DROP TABLE revisions;
PRAGMA application_id = 0;
