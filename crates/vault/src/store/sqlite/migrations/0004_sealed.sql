-- Secrets of the vault itself, sealed with the wrapping key; and where the next claim ends.

CREATE TABLE sealed_secrets (
    name   TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
);
CREATE INDEX work_that_is_claimed ON work (claimed_until) WHERE claimed_until > 0;
