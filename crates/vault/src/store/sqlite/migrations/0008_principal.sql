-- What a principal was assigned at one scope and above it, of however many assignments it has elsewhere: the identity of a Backup
-- vault has one for each of its clusters, and its snapshot group one of each cluster. Of two columns that both hold few
-- different values a planner expects much; of what they are together it knows that it is there once.

CREATE INDEX role_assignments_by_principal ON role_assignments (principal || ' ' || scope_key);
