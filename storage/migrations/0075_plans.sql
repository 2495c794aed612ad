-- Plans: each version whole, with what it was made from, why and by whom; which of them stands; what people and the plant want of it.

CREATE TABLE IF NOT EXISTS plan_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- live: made to be followed; what_if: a copy that nobody follows
    kind text NOT NULL CHECK (kind IN ('live', 'what_if')),
    -- of a what-if, for people
    name text NOT NULL,
    parent_id bigint,
    made_time timestamptz NOT NULL,
    -- who asked for it; empty: the optimizer by itself
    actor text NOT NULL,
    -- first, orders, shifted, repaired, improved, edit, undo, what_if, adopted, replan
    reason text NOT NULL,
    -- what brought it about: disturbances, orders, edits
    causes jsonb NOT NULL,
    -- a plan-problem/1 and a plan/1 file; null once they are forgotten
    problem text,
    plan text,
    measures jsonb NOT NULL,
    objective bigint NOT NULL,
    bound bigint,
    seconds double precision NOT NULL,
    jobs integer NOT NULL,
    operations integer NOT NULL,
    -- operations that stand elsewhere than in the version before; null where there was none
    moved integer,
    from_time timestamptz,
    to_time timestamptz,
    CHECK ((problem IS NULL) = (plan IS NULL))
);

CREATE INDEX IF NOT EXISTS plan_version_kind ON plan_version (kind, id DESC);

-- Which version stands: one that is live, one that others are compared with.
CREATE TABLE IF NOT EXISTS plan_standing (
    role text PRIMARY KEY CHECK (role IN ('live', 'reference')),
    plan_version_id bigint NOT NULL REFERENCES plan_version,
    since_time timestamptz NOT NULL,
    actor text NOT NULL
);

-- What a person did to a plan: the optimizer takes it up or says why it cannot.
CREATE TABLE IF NOT EXISTS plan_edit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    -- the version that the person saw; a what-if's edit makes another version of that what-if
    plan_version_id bigint NOT NULL REFERENCES plan_version,
    -- move, lock or unlock
    act text NOT NULL CHECK (act IN ('move', 'lock', 'unlock')),
    job_order text NOT NULL,
    operation text NOT NULL,
    -- where and when it shall stand; null where that is left open
    work_unit text,
    alternative text,
    start_time timestamptz,
    note text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'taken', 'refused', 'ended')),
    answered_time timestamptz,
    answer text NOT NULL DEFAULT '',
    -- the version that it became
    became_id bigint REFERENCES plan_version,
    CHECK ((state = 'waiting') = (answered_time IS NULL))
);

CREATE INDEX IF NOT EXISTS plan_edit_open ON plan_edit (id) WHERE state IN ('waiting', 'taken');

CREATE INDEX IF NOT EXISTS plan_edit_of ON plan_edit (plan_version_id);

-- What came between: a unit down, parts held, material late.
CREATE TABLE IF NOT EXISTS plan_disturbance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- breakdown, slow_unit, queue, quality_hold, late_material, design_changed, rush_job ...
    kind text NOT NULL,
    -- the work unit, job order, part or product it is about
    subject text NOT NULL,
    -- monitor, vision, rest, person, optimizer
    source text NOT NULL,
    -- the same key is the same disturbance, whoever tells of it again
    key text NOT NULL UNIQUE,
    time timestamptz NOT NULL,
    from_time timestamptz NOT NULL,
    -- when it is expected to end; null: nobody knows
    until_time timestamptz,
    ended_time timestamptz,
    actor text NOT NULL,
    note text NOT NULL,
    -- what else is known of it
    document jsonb NOT NULL,
    -- a what-if's own; null: it is real
    what_if_id bigint REFERENCES plan_version,
    ended_by text NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS plan_disturbance_open ON plan_disturbance (id) WHERE ended_time IS NULL;

CREATE OR REPLACE VIEW v_plan_versions AS
SELECT v.made_time AS time, v.kind, v.name, v.reason, v.causes, v.actor, v.measures, v.objective, v.bound, v.seconds, v.jobs, v.operations,
    v.moved, v.from_time, v.to_time, v.parent_id, coalesce(l.role = 'live', false) AS stands, coalesce(r.role = 'reference', false) AS is_reference,
    v.id
FROM plan_version v LEFT JOIN plan_standing l ON l.plan_version_id = v.id AND l.role = 'live'
    LEFT JOIN plan_standing r ON r.plan_version_id = v.id AND r.role = 'reference';

CREATE OR REPLACE VIEW v_plan_disturbances AS
SELECT d.time, d.kind, d.subject, d.source, d.from_time, d.until_time, d.ended_time, d.actor, d.note, d.document, d.what_if_id, d.id
FROM plan_disturbance d;

CREATE OR REPLACE VIEW v_plan_edits AS
SELECT e.time, e.actor, e.act, e.job_order, e.operation, e.work_unit, e.alternative, e.start_time, e.note, e.state, e.answered_time, e.answer,
    e.plan_version_id, e.became_id, e.id
FROM plan_edit e;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_plan_versions, v_plan_disturbances, v_plan_edits TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
