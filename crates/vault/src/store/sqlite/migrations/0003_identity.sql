-- The principal of a resource goes with it. People sign in: what is under way, and what they can refresh.

ALTER TABLE principals ADD COLUMN resource_key TEXT;
UPDATE principals SET resource_key = lower(resource);
CREATE INDEX principals_of_a_resource ON principals (resource_key);

CREATE INDEX failed_sign_ins_by_time ON failed_sign_ins (last_at);

-- Device codes, authorization codes and refresh tokens, by hashes of their secrets. All that came from one sign-in is
-- one family. The version grows with every write.
CREATE TABLE oauth_grants (
    id         TEXT PRIMARY KEY,
    family     TEXT NOT NULL,
    principal  TEXT,
    document   TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX oauth_grants_of_a_family ON oauth_grants (family);
CREATE INDEX oauth_grants_of_a_principal ON oauth_grants (principal);
CREATE INDEX oauth_grants_by_end ON oauth_grants (expires_at);
