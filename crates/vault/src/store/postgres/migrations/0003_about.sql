-- Jobs are found by their instance, and extensions by their identity: reading all of them takes longer with each. The column
-- is made of the document, whoever writes it: replicas of an older version too. The fields are cut out as text, as the JSON
-- types refuse escapes of NUL that a client may have written elsewhere in a document; whoever reads compares again.

ALTER TABLE resources ADD COLUMN about TEXT COLLATE "C" GENERATED ALWAYS AS (CASE kind
    WHEN 'microsoft.dataprotection/backupvaults/backupjobs'
        THEN lower(substring(document from '"instance":"([^"]*)"') COLLATE "C")
    WHEN 'microsoft.kubernetesconfiguration/extensions'
        THEN lower(substring(document from '"principalId":"([^"]*)"') COLLATE "C")
    END) STORED;
CREATE INDEX resources_about ON resources (kind, about, key) WHERE about IS NOT NULL;
