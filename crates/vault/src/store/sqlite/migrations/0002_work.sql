-- Operations tell what they made and who began them; the vault keeps what it has to do; principals are of several kinds.

ALTER TABLE operations ADD COLUMN principal TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN result TEXT;
ALTER TABLE operations ADD COLUMN error TEXT;

ALTER TABLE principals ADD COLUMN kind TEXT NOT NULL DEFAULT 'Application';
ALTER TABLE principals ADD COLUMN resource TEXT;

-- What is to be done in the background. A claim is its owner's until its time is over.
CREATE TABLE work (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    target        TEXT NOT NULL,
    connection    TEXT,
    due_at        BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    document      TEXT NOT NULL,
    owner         TEXT,
    claimed_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX work_that_is_due ON work (due_at);
