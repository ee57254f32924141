-- Jobs are found by their instance, and extensions by their identity: reading all of them takes longer with each. The column
-- is made of the document, whoever writes it.

ALTER TABLE resources ADD COLUMN about TEXT GENERATED ALWAYS AS (CASE kind
    WHEN 'microsoft.dataprotection/backupvaults/backupjobs' THEN lower(json_extract(document, '$.instance'))
    WHEN 'microsoft.kubernetesconfiguration/extensions' THEN lower(json_extract(document, '$.identity.principalId'))
    END) VIRTUAL;
CREATE INDEX resources_about ON resources (kind, about, key) WHERE about IS NOT NULL;
