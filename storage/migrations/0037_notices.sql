-- Who was told of which alarm, by what way, and what came of it. The monitor writes these tables; people may add a notice of kind 'test'.

CREATE TABLE IF NOT EXISTS notice_receiver (
    name text PRIMARY KEY,
    webhook_host text NOT NULL DEFAULT '',
    mail text[] NOT NULL DEFAULT '{}',
    retired boolean NOT NULL DEFAULT false
);

-- An alarm from when it was annunciated until somebody acknowledged it.
CREATE TABLE IF NOT EXISTS notice_case (
    alarm text NOT NULL,
    equipment text NOT NULL,
    priority smallint NOT NULL,
    began_us bigint NOT NULL,
    ended_us bigint,
    how text NOT NULL DEFAULT '',
    who text NOT NULL DEFAULT '',
    PRIMARY KEY (alarm, began_us)
);

CREATE UNIQUE INDEX IF NOT EXISTS notice_case_open ON notice_case (alarm) WHERE ended_us IS NULL;

CREATE INDEX IF NOT EXISTS notice_case_began ON notice_case (began_us);

-- state: pending (to be sent), gathered (waits for the next digest), in_digest, sent, failed. The id stays the same over all attempts.
CREATE TABLE IF NOT EXISTS notice (
    id uuid NOT NULL,
    channel text NOT NULL,
    rule text NOT NULL,
    receiver text NOT NULL,
    kind text NOT NULL,
    step smallint NOT NULL DEFAULT 0,
    alarms text[] NOT NULL DEFAULT '{}',
    began_us bigint,
    priority smallint,
    content jsonb NOT NULL,
    due_us bigint NOT NULL,
    made_us bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'gathered', 'in_digest', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_us bigint NOT NULL DEFAULT 0,
    ended_us bigint,
    why text NOT NULL DEFAULT '',
    PRIMARY KEY (id, channel)
);

CREATE INDEX IF NOT EXISTS notice_open ON notice (receiver, channel, due_us) WHERE state IN ('pending', 'gathered');

CREATE INDEX IF NOT EXISTS notice_made ON notice (made_us);

CREATE INDEX IF NOT EXISTS notice_of_case ON notice (began_us) WHERE began_us IS NOT NULL;

CREATE OR REPLACE VIEW v_notices AS
SELECT
    id, channel, rule, receiver, kind, step, alarms, priority, to_timestamp(due_us / 1e6) AS due, to_timestamp(made_us / 1e6) AS made,
    state, attempts, to_timestamp(ended_us / 1e6) AS ended, why
FROM notice;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_notices TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
