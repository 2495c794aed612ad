-- Rollups of 1 s, 1 min and 1 h, kept by upkeep: each from the tier below, the first from the samples.
-- count: all samples; good_count: those with status good and a finite number, or a text; the rest is over the finite good numbers.

CREATE TABLE IF NOT EXISTS rollup_1s (
    bucket timestamptz NOT NULL,
    signal_id integer NOT NULL,
    count bigint NOT NULL,
    good_count bigint NOT NULL,
    min double precision,
    max double precision,
    mean double precision,
    first double precision,
    last double precision,
    PRIMARY KEY (signal_id, bucket)
) PARTITION BY RANGE (bucket);

CREATE TABLE IF NOT EXISTS rollup_1m (
    bucket timestamptz NOT NULL,
    signal_id integer NOT NULL,
    count bigint NOT NULL,
    good_count bigint NOT NULL,
    min double precision,
    max double precision,
    mean double precision,
    first double precision,
    last double precision,
    PRIMARY KEY (signal_id, bucket)
) PARTITION BY RANGE (bucket);

CREATE TABLE IF NOT EXISTS rollup_1h (
    bucket timestamptz NOT NULL,
    signal_id integer NOT NULL,
    count bigint NOT NULL,
    good_count bigint NOT NULL,
    min double precision,
    max double precision,
    mean double precision,
    first double precision,
    last double precision,
    PRIMARY KEY (signal_id, bucket)
) PARTITION BY RANGE (bucket);
