-- The models that judge pictures, one row for each subject and file: what it learned from, how good it was on pictures it never saw, who
-- answers for it. Inspections name their model by the file's sha256.

CREATE TABLE IF NOT EXISTS vision_model (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    name text NOT NULL,
    -- came with the program, or was added here
    shipped boolean NOT NULL,
    stage text NOT NULL CHECK (stage IN ('shadow', 'active', 'retired')),
    bytes bigint NOT NULL,
    licence text NOT NULL,
    -- hash over names, contents and labels of what it learned from
    manifest_sha256 text NOT NULL,
    -- all by which it decides, and its figures with their bounds, as its own sheet has them
    thresholds jsonb NOT NULL,
    figures jsonb NOT NULL,
    added_time timestamptz NOT NULL,
    added_by text NOT NULL CHECK (added_by <> ''),
    approved_time timestamptz,
    approver text NOT NULL DEFAULT '',
    retired_time timestamptz,
    retired_by text NOT NULL DEFAULT '',
    UNIQUE (subject, sha256),
    -- nobody's approval puts no model in charge
    CHECK (stage <> 'active' OR (approver <> '' AND approved_time IS NOT NULL))
);

CREATE UNIQUE INDEX IF NOT EXISTS vision_model_in_charge ON vision_model (subject) WHERE stage = 'active';
CREATE UNIQUE INDEX IF NOT EXISTS vision_model_in_shadow ON vision_model (subject) WHERE stage = 'shadow';

CREATE OR REPLACE VIEW v_vision_models AS
SELECT m.subject, m.sha256, m.name, m.shipped, m.stage, m.bytes, m.licence, m.manifest_sha256, m.thresholds, m.figures, m.added_time,
    m.added_by, m.approved_time, m.approver, m.retired_time, m.retired_by, m.id
FROM vision_model m;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_vision_models TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
