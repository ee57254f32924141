-- Keys are ids folded to lower case: ids that differ in case alone name the same thing. Times are milliseconds since
-- 1970 in UTC.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE subscriptions (
    key        TEXT PRIMARY KEY,
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Namespaces of resource providers that a subscription has registered.
CREATE TABLE registrations (
    subscription TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    PRIMARY KEY (subscription, namespace)
);

-- Resource groups and all resources. The version grows with every write.
CREATE TABLE resources (
    key      TEXT PRIMARY KEY,
    id       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    document TEXT NOT NULL,
    version  BIGINT NOT NULL
);
CREATE INDEX resources_of_a_kind ON resources (kind, key);

CREATE TABLE role_assignments (
    name       TEXT PRIMARY KEY,
    scope_key  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    principal  TEXT NOT NULL,
    role       TEXT NOT NULL,
    document   TEXT NOT NULL,
    UNIQUE (principal, role, scope_key)
);
CREATE INDEX role_assignments_by_scope ON role_assignments (scope_key);

CREATE TABLE principals (
    object_id  TEXT PRIMARY KEY,
    client_id  TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE client_secrets (
    id         TEXT PRIMARY KEY,
    client_id  TEXT NOT NULL REFERENCES principals (client_id),
    hash       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX client_secrets_of_a_client ON client_secrets (client_id);

CREATE TABLE failed_sign_ins (
    client_id TEXT PRIMARY KEY,
    failures  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL
);

-- Sealed with the wrapping key.
CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE operations (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    target     TEXT NOT NULL,
    status     TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX operations_under_way ON operations (status);

-- Every change and every denied call. Each row's hash covers the row and the hash before it.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL,
    hash   BLOB NOT NULL
);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
