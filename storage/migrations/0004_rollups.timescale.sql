-- Rollups of 1 s, 1 min and 1 h as continuous aggregates, each upon the one below, real-time.
-- count: all samples; good_count: those with status good and a finite number, or a text; the rest is over the finite good numbers.
-- mean is absent where a number is too big to be added up, for a failing sum would stop the rollups for good.

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_1s
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(INTERVAL '1 second', time) AS bucket,
    signal_id,
    count(*) AS count,
    count(*) FILTER (WHERE ((status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity') OR ((status & -1073741824) = 0 AND value IS NULL AND text IS NOT NULL)) AS good_count,
    min(value) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity') AS min,
    max(value) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity') AS max,
    CASE
        WHEN max(abs(value)) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity') >= 1e290 THEN NULL
        WHEN abs(sum(value) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity' AND abs(value) < 1e290)) < 1e-290 THEN 0
        ELSE sum(value) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity' AND abs(value) < 1e290) / nullif(count(*) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity'), 0)
    END AS mean,
    first(value, time) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity') AS first,
    last(value, time) FILTER (WHERE (status & -1073741824) = 0 AND value > '-Infinity' AND value < 'Infinity') AS last
FROM sample
GROUP BY 1, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_1m
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(INTERVAL '1 minute', bucket) AS bucket,
    signal_id,
    sum(count)::bigint AS count,
    sum(good_count)::bigint AS good_count,
    min(min) AS min,
    max(max) AS max,
    CASE
        WHEN max(max) >= 1e290 OR min(min) <= -1e290 THEN NULL
        WHEN abs(sum(mean * good_count)) < 1e-290 THEN 0
        ELSE sum(mean * good_count) / nullif(sum(good_count), 0)::double precision
    END AS mean,
    first(first, bucket) FILTER (WHERE first IS NOT NULL) AS first,
    last(last, bucket) FILTER (WHERE last IS NOT NULL) AS last
FROM rollup_1s
GROUP BY 1, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(INTERVAL '1 hour', bucket) AS bucket,
    signal_id,
    sum(count)::bigint AS count,
    sum(good_count)::bigint AS good_count,
    min(min) AS min,
    max(max) AS max,
    CASE
        WHEN max(max) >= 1e290 OR min(min) <= -1e290 THEN NULL
        WHEN abs(sum(mean * good_count)) < 1e-290 THEN 0
        ELSE sum(mean * good_count) / nullif(sum(good_count), 0)::double precision
    END AS mean,
    first(first, bucket) FILTER (WHERE first IS NOT NULL) AS first,
    last(last, bucket) FILTER (WHERE last IS NOT NULL) AS last
FROM rollup_1m
GROUP BY 1, 2
WITH NO DATA;

-- Never further back than the tier below is kept: a refresh of what was dropped there would drop it here. Upkeep follows the budget.
-- In one batch: cut into batches, a first refresh over all time takes a hundred times as long.
DO $$ BEGIN PERFORM add_continuous_aggregate_policy('rollup_1s', start_offset => INTERVAL '400 days', end_offset => INTERVAL '2 seconds',
    schedule_interval => INTERVAL '5 seconds', buckets_per_batch => 0, if_not_exists => true); END $$;

DO $$ BEGIN PERFORM add_continuous_aggregate_policy('rollup_1m', start_offset => INTERVAL '1830 days', end_offset => INTERVAL '1 minute',
    schedule_interval => INTERVAL '30 seconds', buckets_per_batch => 0, if_not_exists => true); END $$;

DO $$ BEGIN PERFORM add_continuous_aggregate_policy('rollup_1h', start_offset => INTERVAL '7300 days', end_offset => INTERVAL '1 hour',
    schedule_interval => INTERVAL '10 minutes', buckets_per_batch => 0, if_not_exists => true); END $$;

-- Wide bounds of age, the same as in tier_state; the disk budget of upkeep works within them.
DO $$ BEGIN PERFORM add_retention_policy('sample', drop_after => INTERVAL '400 days', if_not_exists => true); END $$;

DO $$ BEGIN PERFORM add_retention_policy('rollup_1s', drop_after => INTERVAL '1830 days', if_not_exists => true); END $$;

DO $$ BEGIN PERFORM add_retention_policy('rollup_1m', drop_after => INTERVAL '7300 days', if_not_exists => true); END $$;
