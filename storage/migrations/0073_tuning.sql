-- Fine-tuning: accepted recipes, proposed trials with the stage each is in and who decided, trials as measured, policies that persons
-- enabled, roll-backs, and what devices said when programs were read back. Nothing here is ever taken away.

CREATE TABLE IF NOT EXISTS tuning_recipe (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    work_unit text NOT NULL,
    program text NOT NULL,
    job text NOT NULL,
    time timestamptz NOT NULL,
    parameters jsonb NOT NULL,
    -- who accepted it; never empty
    actor text NOT NULL CHECK (actor <> ''),
    reason text NOT NULL,
    -- what it was proposed by, where it was
    proposal_id bigint
);

CREATE INDEX IF NOT EXISTS tuning_recipe_of ON tuning_recipe (work_unit, program, job, id DESC);

CREATE TABLE IF NOT EXISTS tuning_proposal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    work_unit text NOT NULL,
    program text NOT NULL,
    job text NOT NULL,
    made_time timestamptz NOT NULL,
    purpose text NOT NULL,
    -- the whole proposal as it was made
    document jsonb NOT NULL,
    -- version of the set of process windows that it was judged by
    windows_version integer NOT NULL,
    stage text NOT NULL CHECK (stage IN ('proposed', 'approved', 'declined', 'expired', 'executed', 'measured', 'rolled_back')),
    stage_time timestamptz NOT NULL,
    stage_actor text NOT NULL DEFAULT '',
    stage_reason text NOT NULL DEFAULT '',
    policy_id bigint
);

CREATE UNIQUE INDEX IF NOT EXISTS tuning_proposal_open ON tuning_proposal (work_unit, program, job)
    WHERE stage IN ('proposed', 'approved', 'executed');

CREATE INDEX IF NOT EXISTS tuning_proposal_of ON tuning_proposal (work_unit, program, job, id DESC);

CREATE TABLE IF NOT EXISTS tuning_proposal_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES tuning_proposal,
    time timestamptz NOT NULL,
    before text,
    after text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL
);

CREATE INDEX IF NOT EXISTS tuning_proposal_change_of ON tuning_proposal_change (proposal_id, id);

CREATE TABLE IF NOT EXISTS tuning_trial (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    work_unit text NOT NULL,
    program text NOT NULL,
    job text NOT NULL,
    ended_time timestamptz NOT NULL,
    parameters jsonb NOT NULL,
    parts integer NOT NULL CHECK (parts > 0),
    good integer NOT NULL CHECK (good BETWEEN 0 AND parts),
    scrapped integer CHECK (scrapped BETWEEN 0 AND parts - good),
    responses jsonb NOT NULL,
    proposal_id bigint REFERENCES tuning_proposal,
    actor text NOT NULL,
    UNIQUE (work_unit, program, job, name)
);

-- what became of a trial, once it was judged
CREATE TABLE IF NOT EXISTS tuning_outcome (
    trial_id bigint PRIMARY KEY REFERENCES tuning_trial,
    time timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('better', 'same', 'worse')),
    -- share of good parts of the accepted recipe that it was judged against, and the logarithm of the likelihood ratio of worse to as good
    expected double precision NOT NULL,
    evidence double precision NOT NULL
);

CREATE TABLE IF NOT EXISTS tuning_rollback (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES tuning_proposal,
    trial_id bigint NOT NULL REFERENCES tuning_trial,
    time timestamptz NOT NULL,
    parameters jsonb NOT NULL,
    back_to jsonb NOT NULL,
    parts integer NOT NULL,
    good integer NOT NULL,
    expected double precision NOT NULL,
    evidence double precision NOT NULL
);

CREATE TABLE IF NOT EXISTS tuning_policy (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    work_unit text NOT NULL,
    program text NOT NULL,
    job text NOT NULL,
    enabled_by text NOT NULL CHECK (enabled_by <> ''),
    enabled_time timestamptz NOT NULL,
    until_time timestamptz NOT NULL,
    budget integer NOT NULL CHECK (budget BETWEEN 1 AND 100),
    largest_delta double precision NOT NULL CHECK (largest_delta > 0 AND largest_delta <= 1),
    ended_time timestamptz,
    ended_by text,
    CHECK (until_time > enabled_time)
);

-- where a program stands: why nothing is proposed, and which recipe of those tried is the best beyond doubt
CREATE TABLE IF NOT EXISTS tuning_standing (
    work_unit text NOT NULL,
    program text NOT NULL,
    job text NOT NULL,
    time timestamptz NOT NULL,
    -- what it was made from: number of trials, version of windows, accepted recipe
    basis text NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (work_unit, program, job)
);

CREATE TABLE IF NOT EXISTS tuning_readback (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES tuning_proposal,
    time timestamptz NOT NULL,
    actor text NOT NULL,
    -- base program and deltas with their units and tolerances; what the device said; by what they differ
    record jsonb NOT NULL,
    read jsonb NOT NULL,
    differences jsonb NOT NULL,
    confirmed boolean NOT NULL
);

CREATE INDEX IF NOT EXISTS tuning_readback_of ON tuning_readback (proposal_id, id DESC);

CREATE OR REPLACE FUNCTION tuning_proposal_guard() RETURNS trigger LANGUAGE plpgsql AS
'DECLARE
    next text[] := CASE old.stage
        WHEN ''proposed'' THEN ARRAY[''approved'', ''declined'', ''expired'']
        WHEN ''approved'' THEN ARRAY[''executed'', ''measured'', ''rolled_back'', ''declined'', ''expired'']
        WHEN ''executed'' THEN ARRAY[''measured'', ''rolled_back'', ''expired'']
        ELSE ARRAY[]::text[] END;
BEGIN
    IF (to_jsonb(new) - ''stage'' - ''stage_time'' - ''stage_actor'' - ''stage_reason'' - ''policy_id'')
        IS DISTINCT FROM (to_jsonb(old) - ''stage'' - ''stage_time'' - ''stage_actor'' - ''stage_reason'' - ''policy_id'') THEN
        RAISE EXCEPTION ''a proposal is never changed, only its stage'';
    END IF;
    IF new.stage IS DISTINCT FROM old.stage THEN
        IF NOT new.stage = ANY (next) THEN
            RAISE EXCEPTION ''a proposal that is % cannot become %'', old.stage, new.stage USING ERRCODE = ''check_violation'';
        END IF;
        IF new.stage IN (''approved'', ''declined'') AND new.stage_actor = '''' THEN
            RAISE EXCEPTION ''a proposal is approved or declined by somebody'' USING ERRCODE = ''check_violation'';
        END IF;
        IF new.stage = ''declined'' AND new.stage_reason = '''' THEN
            RAISE EXCEPTION ''a proposal is declined for a reason'' USING ERRCODE = ''check_violation'';
        END IF;
    END IF;
    RETURN new;
END';

CREATE OR REPLACE FUNCTION tuning_proposal_told() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF TG_OP = ''INSERT'' THEN
        IF new.stage <> ''proposed'' THEN
            RAISE EXCEPTION ''a proposal begins as proposed'' USING ERRCODE = ''check_violation'';
        END IF;
        INSERT INTO tuning_proposal_change (proposal_id, time, before, after, actor, reason)
        VALUES (new.id, new.stage_time, NULL, new.stage, new.stage_actor, new.stage_reason);
    ELSIF new.stage IS DISTINCT FROM old.stage THEN
        INSERT INTO tuning_proposal_change (proposal_id, time, before, after, actor, reason)
        VALUES (new.id, new.stage_time, old.stage, new.stage, new.stage_actor, new.stage_reason);
    END IF;
    RETURN NULL;
END';

CREATE OR REPLACE FUNCTION tuning_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''what was tried, accepted, rolled back or read back is never changed''; END';

CREATE OR REPLACE TRIGGER tuning_proposal_guard BEFORE UPDATE ON tuning_proposal FOR EACH ROW EXECUTE FUNCTION tuning_proposal_guard();

CREATE OR REPLACE TRIGGER tuning_proposal_told AFTER INSERT OR UPDATE ON tuning_proposal
FOR EACH ROW EXECUTE FUNCTION tuning_proposal_told();

CREATE OR REPLACE TRIGGER tuning_proposal_is_kept BEFORE DELETE OR TRUNCATE ON tuning_proposal
FOR EACH STATEMENT EXECUTE FUNCTION tuning_is_final();

CREATE OR REPLACE TRIGGER tuning_proposal_change_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON tuning_proposal_change
FOR EACH STATEMENT EXECUTE FUNCTION tuning_is_final();

CREATE OR REPLACE TRIGGER tuning_trial_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON tuning_trial
FOR EACH STATEMENT EXECUTE FUNCTION tuning_is_final();

CREATE OR REPLACE TRIGGER tuning_recipe_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON tuning_recipe
FOR EACH STATEMENT EXECUTE FUNCTION tuning_is_final();

CREATE OR REPLACE TRIGGER tuning_rollback_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON tuning_rollback
FOR EACH STATEMENT EXECUTE FUNCTION tuning_is_final();

CREATE OR REPLACE TRIGGER tuning_readback_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON tuning_readback
FOR EACH STATEMENT EXECUTE FUNCTION tuning_is_final();

CREATE OR REPLACE VIEW v_tuning_trials AS
SELECT t.ended_time AS time, t.work_unit, t.program, t.job, t.name AS trial, t.parameters, t.parts, t.good, t.scrapped, t.responses,
    t.proposal_id, o.outcome, o.expected, o.evidence, t.actor, t.id
FROM tuning_trial t LEFT JOIN tuning_outcome o ON o.trial_id = t.id;

CREATE OR REPLACE VIEW v_tuning_proposals AS
SELECT made_time AS time, work_unit, program, job, purpose, stage, stage_time, stage_actor, stage_reason, document, windows_version, id
FROM tuning_proposal;

CREATE OR REPLACE VIEW v_tuning_rollbacks AS
SELECT r.time, p.work_unit, p.program, p.job, r.parameters, r.back_to, r.parts, r.good, r.expected, r.evidence, r.proposal_id, r.id
FROM tuning_rollback r JOIN tuning_proposal p ON p.id = r.proposal_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_tuning_trials, v_tuning_proposals, v_tuning_rollbacks TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
