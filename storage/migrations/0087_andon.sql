-- Calls of people at stations, who came and when; and screens on the wall that show the board without anybody logged in.

CREATE TABLE IF NOT EXISTS andon_call (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    equipment_id integer NOT NULL REFERENCES equipment,
    whom text NOT NULL CHECK (whom IN ('maintenance', 'material', 'quality', 'lead_hand')),
    note text NOT NULL,
    called_time timestamptz NOT NULL,
    caller text NOT NULL CHECK (caller <> ''),
    -- somebody said 'I come'
    answered_time timestamptz,
    answerer text NOT NULL DEFAULT '',
    done_time timestamptz,
    ender text NOT NULL DEFAULT '',
    outcome text NOT NULL DEFAULT '',
    CHECK ((answered_time IS NULL) = (answerer = '')),
    CHECK ((done_time IS NULL) = (ender = ''))
);

-- Who is called stands there once until it is done, however often the button is pressed.
CREATE UNIQUE INDEX IF NOT EXISTS andon_call_open ON andon_call (equipment_id, whom) WHERE done_time IS NULL;

CREATE INDEX IF NOT EXISTS andon_call_time ON andon_call (called_time DESC, id DESC);

-- Its link is good once, its session until an administrator ends it. No secret stands here in the clear: SHA-256 of 256 random bits.
CREATE TABLE IF NOT EXISTS screen (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    -- page of this server that it shows
    address text NOT NULL,
    created_by text NOT NULL,
    created_us bigint NOT NULL,
    link_hash bytea UNIQUE,
    link_until_us bigint NOT NULL,
    secret_hash bytea UNIQUE,
    opened_us bigint,
    seen_us bigint,
    client text NOT NULL DEFAULT '',
    ended_us bigint
);

CREATE OR REPLACE VIEW v_andon_calls AS
SELECT c.called_time AS time, e.path AS equipment, c.whom, c.note, c.caller, c.answered_time, c.answerer,
    extract(epoch FROM c.answered_time - c.called_time)::double precision AS answered_after_seconds, c.done_time, c.ender, c.outcome,
    extract(epoch FROM c.done_time - c.called_time)::double precision AS done_after_seconds, c.id
FROM andon_call c JOIN equipment e ON e.id = c.equipment_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_andon_calls TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
