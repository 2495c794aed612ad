-- How sources, processes and the storage itself are: one row each, the last word.

CREATE TABLE IF NOT EXISTS source_state (
    source_id integer PRIMARY KEY REFERENCES source,
    state text NOT NULL,
    detail text NOT NULL DEFAULT '',
    since_us bigint NOT NULL,
    requested_us bigint,
    granted_us bigint,
    achieved_us bigint,
    lateness_p50_us bigint,
    lateness_p99_us bigint,
    missed_ticks bigint NOT NULL,
    last_sample_us bigint,
    in_spool bigint NOT NULL,
    spool_bytes bigint NOT NULL,
    reconnects bigint NOT NULL,
    insecure boolean NOT NULL,
    complete boolean NOT NULL,
    updated_us bigint NOT NULL
) WITH (fillfactor = 40);

CREATE TABLE IF NOT EXISTS process_state (
    name text PRIMARY KEY,
    state text NOT NULL,
    pid integer,
    since_us bigint NOT NULL,
    restarts bigint NOT NULL,
    last_exit integer,
    updated_us bigint NOT NULL
) WITH (fillfactor = 40);

-- From when on each tier is kept: what lies before was dropped and is not taken again. keep: the age at which it goes anyway.
CREATE TABLE IF NOT EXISTS tier_state (
    tier text PRIMARY KEY,
    kept_from timestamptz NOT NULL DEFAULT '2000-01-01 00:00:00+00',
    keep interval
);

INSERT INTO tier_state (tier, keep)
VALUES ('raw', '400 days'), ('1s', '1830 days'), ('1m', '7300 days'), ('1h', NULL)
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS upkeep_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    budget_bytes bigint,
    ran_us bigint NOT NULL
);
