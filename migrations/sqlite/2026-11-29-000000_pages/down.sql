DROP TABLE drafts;
DROP TABLE sessions;
