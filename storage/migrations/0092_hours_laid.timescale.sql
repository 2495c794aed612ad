-- Hours may be packed too: where they lay bucket by bucket, a month of one signal was 720 pages. Chunks that are laid are joined to wide
-- ones, for each that a chart touches costs it some planning: at ten hours a piece there were 876 a year in each tier.
-- What still fills stays narrow: until it is over it lies bucket by bucket.

ALTER MATERIALIZED VIEW rollup_1m SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = 'signal_id', timescaledb.orderby = 'bucket', timescaledb.compress_chunk_time_interval = '10 days');

ALTER MATERIALIZED VIEW rollup_1h SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = 'signal_id', timescaledb.orderby = 'bucket', timescaledb.compress_chunk_time_interval = '100 days');

DO $$ BEGIN PERFORM set_chunk_time_interval('rollup_1h', INTERVAL '10 days'); END $$;

-- Ten hours of seconds of 10,000 signals would be 58 GB, too much to pack at once; upkeep widens them where they are few.
DO $$ BEGIN PERFORM set_chunk_time_interval('rollup_1s', INTERVAL '1 hour'); END $$;
