-- All tables, as SQLite has them in its fourth version. Text is compared byte by byte (COLLATE "C"), as keys below an id
-- are found by a range of keys. Times are milliseconds since 1970 in UTC.

CREATE TABLE settings (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE subscriptions (
    key        TEXT COLLATE "C" PRIMARY KEY,
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Namespaces of resource providers that a subscription has registered.
CREATE TABLE registrations (
    subscription TEXT COLLATE "C" NOT NULL,
    namespace    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (subscription, namespace)
);

-- Resource groups and all resources. The version grows with every write.
CREATE TABLE resources (
    key      TEXT COLLATE "C" PRIMARY KEY,
    id       TEXT NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    version  BIGINT NOT NULL
);
CREATE INDEX resources_of_a_kind ON resources (kind, key);

CREATE TABLE role_assignments (
    name       TEXT COLLATE "C" PRIMARY KEY,
    scope_key  TEXT COLLATE "C" NOT NULL,
    scope      TEXT NOT NULL,
    principal  TEXT COLLATE "C" NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    document   TEXT NOT NULL,
    UNIQUE (principal, role, scope_key)
);
CREATE INDEX role_assignments_by_scope ON role_assignments (scope_key);

CREATE TABLE principals (
    object_id  TEXT COLLATE "C" PRIMARY KEY,
    client_id  TEXT COLLATE "C" NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL DEFAULT 'Application',
    resource   TEXT,
    resource_key TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX principals_of_a_resource ON principals (resource_key);

-- Device codes, authorization codes and refresh tokens, by hashes of their secrets. All that came from one sign-in is
-- one family. The version grows with every write.
CREATE TABLE oauth_grants (
    id         TEXT COLLATE "C" PRIMARY KEY,
    family     TEXT COLLATE "C" NOT NULL,
    principal  TEXT COLLATE "C",
    document   TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX oauth_grants_of_a_family ON oauth_grants (family);
CREATE INDEX oauth_grants_of_a_principal ON oauth_grants (principal);
CREATE INDEX oauth_grants_by_end ON oauth_grants (expires_at);

CREATE TABLE client_secrets (
    id         TEXT COLLATE "C" PRIMARY KEY,
    client_id  TEXT COLLATE "C" NOT NULL REFERENCES principals (client_id),
    hash       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX client_secrets_of_a_client ON client_secrets (client_id);

CREATE TABLE failed_sign_ins (
    client_id TEXT COLLATE "C" PRIMARY KEY,
    failures  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL
);
CREATE INDEX failed_sign_ins_by_time ON failed_sign_ins (last_at);

-- Sealed with the wrapping key.
CREATE TABLE signing_keys (
    id         TEXT COLLATE "C" PRIMARY KEY,
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Secrets of the vault itself, sealed with the wrapping key.
CREATE TABLE sealed_secrets (
    name   TEXT COLLATE "C" PRIMARY KEY,
    sealed BYTEA NOT NULL
);

CREATE TABLE operations (
    id         TEXT COLLATE "C" PRIMARY KEY,
    kind       TEXT NOT NULL,
    target     TEXT NOT NULL,
    principal  TEXT NOT NULL DEFAULT '',
    status     TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    result     TEXT,
    error      TEXT
);
CREATE INDEX operations_under_way ON operations (status);

-- What is to be done in the background. A claim is its owner's until its time is over.
CREATE TABLE work (
    id            TEXT COLLATE "C" PRIMARY KEY,
    kind          TEXT NOT NULL,
    target        TEXT NOT NULL,
    connection    TEXT COLLATE "C",
    due_at        BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    document      TEXT NOT NULL,
    owner         TEXT COLLATE "C",
    claimed_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX work_that_is_due ON work (due_at, id);
CREATE INDEX work_that_is_claimed ON work (claimed_until) WHERE claimed_until > 0;

-- Every change and every denied call. Each row's hash covers the row and the hash before it. Who appends holds a lock, so
-- numbers have no gaps.
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    record TEXT NOT NULL,
    hash   BYTEA NOT NULL
);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END;
$$;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
