-- Deliveries: each message to a line controller, with the stage it is in and everything that ever happened to it. The stage machine is kept
-- here, so that no process can take a short cut. Modes of work units, and what controllers say, stand beside it.

CREATE TABLE IF NOT EXISTS delivery (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('parameters', 'job', 'route', 'changeover', 'hold', 'release', 'offsets', 'design_change')),
    work_unit text NOT NULL CHECK (work_unit <> ''),
    -- what it comes from; delivered to a work unit once
    source text NOT NULL CHECK (source <> ''),
    -- what it occupies at the work unit
    slot text NOT NULL CHECK (slot <> ''),
    group_name text NOT NULL DEFAULT '',
    -- what it asks: job, program, product, serial, parameters, parts, steps, reason, window_version, basis
    document jsonb NOT NULL,
    valid_seconds double precision NOT NULL CHECK (valid_seconds > 0),
    made_time timestamptz NOT NULL,
    stage text NOT NULL CHECK (stage IN ('proposed', 'approved', 'declined', 'sent', 'accepted', 'refused', 'expired', 'in_doubt', 'executed',
        'measured', 'rolled_back')),
    stage_time timestamptz NOT NULL,
    stage_actor text NOT NULL DEFAULT '',
    stage_reason text NOT NULL DEFAULT '',
    stage_note text NOT NULL DEFAULT '',
    -- what came with the step: read-backs, measurements
    stage_detail jsonb,
    approved_by text NOT NULL DEFAULT '',
    -- given once, with the step to sent, and never changed
    counter bigint,
    issued_time timestamptz,
    expires_time timestamptz,
    text text,
    signature text,
    UNIQUE (source, work_unit)
);

-- of one slot one message at most is under way
CREATE UNIQUE INDEX IF NOT EXISTS delivery_under_way ON delivery (work_unit, slot) WHERE stage IN ('sent', 'accepted', 'in_doubt');

CREATE UNIQUE INDEX IF NOT EXISTS delivery_counted ON delivery (work_unit, counter) WHERE counter IS NOT NULL;

CREATE INDEX IF NOT EXISTS delivery_open ON delivery (stage, number) WHERE stage IN ('proposed', 'approved', 'sent', 'accepted', 'in_doubt');

CREATE INDEX IF NOT EXISTS delivery_of_unit ON delivery (work_unit, number DESC);

CREATE INDEX IF NOT EXISTS delivery_of_group ON delivery (group_name) WHERE group_name <> '';

-- the highest counter that was ever given for a work unit
CREATE TABLE IF NOT EXISTS delivery_counter (
    work_unit text PRIMARY KEY,
    counter bigint NOT NULL
);

-- what happened to each, in order; only added to
CREATE TABLE IF NOT EXISTS delivery_step (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_number bigint NOT NULL REFERENCES delivery,
    time timestamptz NOT NULL,
    before text,
    after text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    note text NOT NULL,
    detail jsonb
);

CREATE INDEX IF NOT EXISTS delivery_step_of ON delivery_step (delivery_number, id);

-- what controllers say that are not asked but tell: over REST; taken up by delivery
CREATE TABLE IF NOT EXISTS delivery_answer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL,
    work_unit text NOT NULL,
    time timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    verdict text NOT NULL CHECK (verdict IN ('accepted', 'refused', 'executed', 'failed', 'measured')),
    document jsonb NOT NULL,
    -- the same answer, sent again with the same key, is one answer
    key text NOT NULL DEFAULT '',
    taken_time timestamptz,
    -- what became of it
    outcome text NOT NULL DEFAULT ''
);

CREATE UNIQUE INDEX IF NOT EXISTS delivery_answer_once ON delivery_answer (actor, key) WHERE key <> '';

CREATE INDEX IF NOT EXISTS delivery_answer_waits ON delivery_answer (id) WHERE taken_time IS NULL;

-- modes of work units, newest holds; only added to
CREATE TABLE IF NOT EXISTS delivery_mode (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    work_unit text NOT NULL CHECK (work_unit <> ''),
    mode text NOT NULL CHECK (mode IN ('off', 'shadow', 'advisory', 'closed_loop')),
    time timestamptz NOT NULL,
    until_time timestamptz,
    actor text NOT NULL CHECK (actor <> ''),
    second text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    -- two persons, hours at most
    CHECK (mode <> 'closed_loop' OR (second <> '' AND lower(btrim(second)) <> lower(btrim(actor)) AND until_time IS NOT NULL
        AND until_time > time AND until_time <= time + interval '8 hours'))
);

CREATE INDEX IF NOT EXISTS delivery_mode_of ON delivery_mode (work_unit, id DESC);

-- closed loops that one person asked for, until another confirms
CREATE TABLE IF NOT EXISTS delivery_loop_asked (
    work_unit text PRIMARY KEY,
    actor text NOT NULL CHECK (actor <> ''),
    time timestamptz NOT NULL,
    hours double precision NOT NULL CHECK (hours > 0 AND hours <= 8),
    reason text NOT NULL
);

-- what was last heard of each work unit's controller
CREATE TABLE IF NOT EXISTS controller_standing (
    work_unit text PRIMARY KEY,
    way text NOT NULL DEFAULT '',
    heard_time timestamptz,
    told_time timestamptz,
    ai_off boolean NOT NULL DEFAULT false,
    counter bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT ''
);

CREATE OR REPLACE FUNCTION delivery_guard() RETURNS trigger LANGUAGE plpgsql AS
'DECLARE
    next text[] := CASE old.stage
        WHEN ''proposed'' THEN ARRAY[''approved'', ''declined'', ''expired'']
        WHEN ''approved'' THEN ARRAY[''sent'', ''refused'', ''declined'', ''expired'']
        WHEN ''sent'' THEN ARRAY[''accepted'', ''refused'', ''expired'', ''in_doubt'']
        WHEN ''accepted'' THEN ARRAY[''executed'', ''refused'', ''rolled_back'', ''in_doubt'']
        WHEN ''in_doubt'' THEN ARRAY[''accepted'', ''executed'', ''refused'', ''rolled_back'', ''expired'']
        WHEN ''executed'' THEN ARRAY[''measured'', ''rolled_back'']
        WHEN ''measured'' THEN ARRAY[''rolled_back'']
        ELSE ARRAY[]::text[] END;
BEGIN
    IF (new.message_id, new.kind, new.work_unit, new.source, new.slot, new.group_name, new.document, new.valid_seconds, new.made_time)
        IS DISTINCT FROM
        (old.message_id, old.kind, old.work_unit, old.source, old.slot, old.group_name, old.document, old.valid_seconds, old.made_time) THEN
        RAISE EXCEPTION ''a delivery is never changed, only its stage'';
    END IF;
    IF (new.counter, new.issued_time, new.expires_time, new.text, new.signature)
        IS DISTINCT FROM (old.counter, old.issued_time, old.expires_time, old.text, old.signature)
        AND (old.counter IS NOT NULL OR new.stage <> ''sent'') THEN
        RAISE EXCEPTION ''a message gets its counter and signature once, when it is sent'';
    END IF;
    IF new.stage IS NOT DISTINCT FROM old.stage THEN
        RAISE EXCEPTION ''a delivery that is % is that already'', old.stage USING ERRCODE = ''check_violation'';
    END IF;
    IF NOT new.stage = ANY (next) THEN
        RAISE EXCEPTION ''a delivery that is % cannot become %'', old.stage, new.stage USING ERRCODE = ''check_violation'';
    END IF;
    IF new.stage_actor = '''' THEN
        RAISE EXCEPTION ''a step is somebody''''s'' USING ERRCODE = ''check_violation'';
    END IF;
    IF new.stage IN (''declined'', ''refused'', ''in_doubt'', ''rolled_back'', ''expired'') AND new.stage_reason = '''' THEN
        RAISE EXCEPTION ''a delivery becomes % for a reason'', new.stage USING ERRCODE = ''check_violation'';
    END IF;
    IF new.stage = ''sent'' AND (new.counter IS NULL OR new.text IS NULL OR new.signature IS NULL OR new.expires_time IS NULL) THEN
        RAISE EXCEPTION ''a message is sent with counter, text and signature'' USING ERRCODE = ''check_violation'';
    END IF;
    IF new.stage = ''approved'' THEN
        new.approved_by := new.stage_actor;
    ELSIF new.approved_by IS DISTINCT FROM old.approved_by THEN
        RAISE EXCEPTION ''who approved a delivery is never changed'';
    END IF;
    RETURN new;
END';

CREATE OR REPLACE FUNCTION delivery_begin() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF new.stage <> ''proposed'' OR new.counter IS NOT NULL OR new.approved_by <> '''' THEN
        RAISE EXCEPTION ''a delivery begins as proposed'' USING ERRCODE = ''check_violation'';
    END IF;
    RETURN new;
END';

CREATE OR REPLACE FUNCTION delivery_told() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    INSERT INTO delivery_step (delivery_number, time, before, after, actor, reason, note, detail)
    VALUES (new.number, new.stage_time, CASE WHEN TG_OP = ''UPDATE'' THEN old.stage END, new.stage, new.stage_actor, new.stage_reason,
        new.stage_note, new.stage_detail);
    RETURN NULL;
END';

CREATE OR REPLACE FUNCTION delivery_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''deliveries, their steps and modes are never taken away''; END';

CREATE OR REPLACE FUNCTION delivery_counter_rises() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF new.work_unit <> old.work_unit OR new.counter <= old.counter THEN
        RAISE EXCEPTION ''the counter of a work unit only rises'' USING ERRCODE = ''check_violation'';
    END IF;
    RETURN new;
END';

CREATE OR REPLACE TRIGGER delivery_begin BEFORE INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION delivery_begin();

CREATE OR REPLACE TRIGGER delivery_guard BEFORE UPDATE ON delivery FOR EACH ROW EXECUTE FUNCTION delivery_guard();

CREATE OR REPLACE TRIGGER delivery_told AFTER INSERT OR UPDATE ON delivery FOR EACH ROW EXECUTE FUNCTION delivery_told();

CREATE OR REPLACE TRIGGER delivery_is_kept BEFORE DELETE OR TRUNCATE ON delivery FOR EACH STATEMENT EXECUTE FUNCTION delivery_is_final();

CREATE OR REPLACE TRIGGER delivery_step_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON delivery_step
FOR EACH STATEMENT EXECUTE FUNCTION delivery_is_final();

CREATE OR REPLACE TRIGGER delivery_mode_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON delivery_mode
FOR EACH STATEMENT EXECUTE FUNCTION delivery_is_final();

CREATE OR REPLACE TRIGGER delivery_counter_rises BEFORE UPDATE ON delivery_counter FOR EACH ROW EXECUTE FUNCTION delivery_counter_rises();

CREATE OR REPLACE TRIGGER delivery_counter_is_kept BEFORE DELETE OR TRUNCATE ON delivery_counter
FOR EACH STATEMENT EXECUTE FUNCTION delivery_is_final();

CREATE OR REPLACE VIEW v_deliveries AS
SELECT made_time AS time, work_unit, kind, stage, stage_time, stage_actor, stage_reason, approved_by, source, counter, issued_time,
    expires_time, document, message_id, number
FROM delivery;

CREATE OR REPLACE VIEW v_delivery_steps AS
SELECT s.time, d.work_unit, d.kind, s.before, s.after, s.actor, s.reason, s.note, s.detail, s.delivery_number, s.id
FROM delivery_step s JOIN delivery d ON d.number = s.delivery_number;

CREATE OR REPLACE VIEW v_delivery_modes AS SELECT time, work_unit, mode, until_time, actor, second, reason, id FROM delivery_mode;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_deliveries, v_delivery_steps, v_delivery_modes TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
