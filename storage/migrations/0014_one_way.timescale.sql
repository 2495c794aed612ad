-- What is old is dropped by upkeep alone, by age as for the disk budget: it first says so to those who read, and keeps the rollups from
-- following what they were made of.
DO $$ BEGIN PERFORM remove_retention_policy('sample', if_exists => true); END $$;

DO $$ BEGIN PERFORM remove_retention_policy('rollup_1s', if_exists => true); END $$;

DO $$ BEGIN PERFORM remove_retention_policy('rollup_1m', if_exists => true); END $$;

-- What is newer than the last refresh is read from the samples, so nothing is older on a page for it; each refresh looks through the
-- newest chunk: 0.2 s where that holds five minutes of 1,000 signals.
DO $$ BEGIN
    PERFORM alter_job(j.job_id, schedule_interval => INTERVAL '15 seconds')
    FROM timescaledb_information.jobs j JOIN timescaledb_information.continuous_aggregates c
        ON (j.hypertable_schema, j.hypertable_name) IN
            ((c.view_schema, c.view_name), (c.materialization_hypertable_schema, c.materialization_hypertable_name))
    WHERE c.view_schema = current_schema() AND c.view_name = 'rollup_1s' AND j.proc_name = 'policy_refresh_continuous_aggregate';
END $$;
