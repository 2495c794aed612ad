-- Alarms by ISA-18.2: what is configured, how each stands, what happened to it, and what people asked for.
-- The monitor alone writes alarm, alarm_now and alarm_journal; people and programs add rows to alarm_action.

CREATE TABLE IF NOT EXISTS alarm (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    signal text NOT NULL DEFAULT '',
    equipment text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    kind text NOT NULL,
    priority smallint NOT NULL,
    message text NOT NULL DEFAULT '',
    response text NOT NULL DEFAULT '',
    unit text NOT NULL DEFAULT '',
    definition jsonb NOT NULL,
    retired boolean NOT NULL DEFAULT false,
    first_us bigint NOT NULL
);

CREATE INDEX IF NOT EXISTS alarm_equipment ON alarm (equipment);

-- source_acknowledged: of an alarm that a controller tells of, whether it was acknowledged there.
CREATE TABLE IF NOT EXISTS alarm_now (
    alarm_id integer PRIMARY KEY REFERENCES alarm,
    state text NOT NULL DEFAULT 'normal',
    active boolean NOT NULL DEFAULT false,
    annunciation text NOT NULL DEFAULT 'normal',
    since_us bigint NOT NULL DEFAULT 0,
    active_since_us bigint,
    value double precision,
    text text,
    limit_value double precision,
    shelved_until_us bigint,
    suppressed boolean NOT NULL DEFAULT false,
    out_of_service boolean NOT NULL DEFAULT false,
    source_acknowledged boolean,
    who text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

CREATE INDEX IF NOT EXISTS alarm_now_unusual ON alarm_now (state) WHERE state <> 'normal';

-- seq rises by one in the order of judging. time_us: when it was true, by the clock of its source; of what a person asked for, when it
-- was asked. decided_us: by our clock, from when on it was known; an alarm's rows never go back in it.
CREATE TABLE IF NOT EXISTS alarm_journal (
    seq bigint PRIMARY KEY,
    alarm_id integer NOT NULL REFERENCES alarm,
    time_us bigint NOT NULL,
    decided_us bigint NOT NULL,
    event text NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL,
    active boolean NOT NULL,
    value double precision,
    text text,
    limit_value double precision,
    who text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    action_id bigint,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS alarm_journal_alarm ON alarm_journal (alarm_id, seq);

CREATE INDEX IF NOT EXISTS alarm_journal_time ON alarm_journal (time_us);

CREATE OR REPLACE FUNCTION alarm_journal_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''the journal of alarms is never changed, only added to''; END';

DROP TRIGGER IF EXISTS alarm_journal_is_final ON alarm_journal;

CREATE TRIGGER alarm_journal_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON alarm_journal
FOR EACH STATEMENT EXECUTE FUNCTION alarm_journal_is_final();

-- What people ask for. The monitor says what became of it: outcome 'applied' or 'rejected' with an answer, and from when on it holds.
CREATE TABLE IF NOT EXISTS alarm_action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id integer NOT NULL REFERENCES alarm,
    action text NOT NULL,
    until_us bigint,
    who text NOT NULL,
    reason text NOT NULL DEFAULT '',
    requested_us bigint NOT NULL,
    effective_us bigint,
    outcome text,
    answer text NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS alarm_action_open ON alarm_action (id) WHERE outcome IS NULL;

CREATE INDEX IF NOT EXISTS alarm_action_alarm ON alarm_action (alarm_id, id);

-- What the monitor saw by the clock on the wall and what no sample tells: written down, so that history judged again meets it again.
CREATE TABLE IF NOT EXISTS alarm_observation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id integer NOT NULL REFERENCES alarm,
    event text NOT NULL,
    time_us bigint NOT NULL,
    effective_us bigint NOT NULL,
    value double precision,
    text text,
    who text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    source_acknowledged boolean
);

CREATE INDEX IF NOT EXISTS alarm_observation_alarm ON alarm_observation (alarm_id, id);

-- How all alarms stood at an hour: where a re-run begins.
CREATE TABLE IF NOT EXISTS alarm_checkpoint (
    at_us bigint PRIMARY KEY,
    seq bigint NOT NULL,
    action_id bigint NOT NULL,
    observation_id bigint NOT NULL,
    state bytea NOT NULL
);

CREATE OR REPLACE VIEW v_alarms AS
SELECT
    a.name AS alarm, a.signal, a.equipment, a.source, a.kind, a.priority, a.message, a.response, a.unit,
    coalesce(n.state, 'normal') AS state, coalesce(n.active, false) AS active,
    coalesce(n.annunciation, 'normal') AS annunciation,
    to_timestamp(nullif(n.since_us, 0) / 1e6) AS since, to_timestamp(n.active_since_us / 1e6) AS active_since,
    n.value, n.text, n.limit_value AS "limit",
    to_timestamp(n.shelved_until_us / 1e6) AS shelved_until, n.source_acknowledged, n.who, n.reason, a.retired
FROM alarm a LEFT JOIN alarm_now n ON n.alarm_id = a.id;

CREATE OR REPLACE VIEW v_alarm_journal AS
SELECT
    j.seq, to_timestamp(j.time_us / 1e6) AS time, a.name AS alarm, a.signal, a.equipment, a.source, a.kind, a.priority, a.message,
    j.event, j.state_before, j.state_after, j.active, j.value, j.text, j.limit_value AS "limit", a.unit, j.who, j.reason, j.noted_at
FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_alarms, v_alarm_journal TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
