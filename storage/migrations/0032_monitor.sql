-- How far each part of the monitor is, and what it must remember to go on from there; written with its results, in one transaction.

CREATE TABLE IF NOT EXISTS monitor_progress (
    follower text PRIMARY KEY,
    done_us bigint NOT NULL,
    state bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE OR REPLACE VIEW v_monitor AS
SELECT follower, to_timestamp(done_us / 1e6) AS done_until, length(state) AS state_bytes, updated_at FROM monitor_progress;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_monitor TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
