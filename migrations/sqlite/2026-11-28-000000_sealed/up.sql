-- Rows can be added only to the revision that is being written, which has no hash yet. The program inserts the revision without a hash, then
-- its rows, then sets the hash, in one transaction; from then on the revision is sealed. `observations` has no such trigger, because the check
-- for each of millions of rows costs a quarter of the speed of an import. There the hash chain and `verify` reveal added rows.
CREATE TRIGGER revisions_follow BEFORE INSERT ON revisions
WHEN NEW.hash IS NOT NULL OR NEW.revision <> (SELECT coalesce(max(revision), 0) + 1 FROM revisions)
BEGIN SELECT RAISE(ABORT, 'a revision follows the newest one'); END;
CREATE TRIGGER submissions_belong BEFORE INSERT ON submissions
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER measures_belong BEFORE INSERT ON measures
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER unit_numbers_belong BEFORE INSERT ON unit_numbers
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER unit_versions_belong BEFORE INSERT ON unit_versions
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER catalogue_versions_belong BEFORE INSERT ON catalogue_versions
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER closings_belong BEFORE INSERT ON closings
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER declarations_belong BEFORE INSERT ON declarations
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
CREATE TRIGGER touched_units_belong BEFORE INSERT ON touched_units
WHEN NOT EXISTS (SELECT 1 FROM revisions WHERE revision = NEW.revision AND hash IS NULL)
BEGIN SELECT RAISE(ABORT, 'the revision is not being written'); END;
