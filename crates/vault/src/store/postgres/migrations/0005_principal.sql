-- What a principal was assigned at one scope and above it, of however many assignments it has elsewhere: the identity of a Backup
-- vault has one for each of its clusters.

CREATE INDEX role_assignments_by_principal ON role_assignments (principal, scope_key);
