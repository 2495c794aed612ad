-- Where the samples of each source and minute went, and what could not be taken.

CREATE TABLE IF NOT EXISTS ledger (
    source_id integer NOT NULL REFERENCES source,
    minute timestamptz NOT NULL,
    expected bigint NOT NULL,
    stored bigint NOT NULL,
    unchanged bigint NOT NULL,
    filtered bigint NOT NULL,
    duplicate bigint NOT NULL,
    rejected bigint NOT NULL,
    gap bigint NOT NULL,
    complete boolean NOT NULL,
    ticks bigint NOT NULL,
    lateness bigint[] NOT NULL,
    PRIMARY KEY (source_id, minute)
) WITH (fillfactor = 50);

CREATE INDEX IF NOT EXISTS ledger_minute ON ledger (minute);

CREATE TABLE IF NOT EXISTS gap (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES source,
    signal_id integer REFERENCES signal,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    count bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS gap_source_time ON gap (source_id, from_time);

CREATE INDEX IF NOT EXISTS gap_time ON gap (from_time);

-- Bins of two histograms, added one by one.
CREATE OR REPLACE FUNCTION add_bins(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT coalesce(x, 0) + coalesce(y, 0) FROM unnest(a, b) WITH ORDINALITY AS t (x, y, n) ORDER BY n);
