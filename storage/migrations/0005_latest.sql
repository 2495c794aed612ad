-- The newest sample of each signal. Half-filled pages and an eager autovacuum: every row is rewritten each second.

CREATE TABLE IF NOT EXISTS latest (
    signal_id integer PRIMARY KEY,
    time timestamptz NOT NULL,
    received_time timestamptz NOT NULL,
    value double precision,
    status integer NOT NULL,
    flags smallint NOT NULL,
    text text
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
