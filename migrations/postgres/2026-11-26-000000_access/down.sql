DROP TABLE key_uses;
ALTER TABLE revisions DROP COLUMN origin;
