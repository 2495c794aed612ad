-- Raw samples as a hypertable; older chunks go into the columnstore.
-- Eight columns: then the bitmap of absent values fits into the row header for nothing.
-- status holds the 32 bits of the OPC UA StatusCode; the views show them unsigned.

CREATE TABLE IF NOT EXISTS sample (
    time timestamptz NOT NULL,
    server_time timestamptz,
    received_time timestamptz NOT NULL,
    value double precision,
    signal_id integer NOT NULL,
    status integer NOT NULL,
    flags smallint NOT NULL,
    text text
);

DO $$ BEGIN PERFORM create_hypertable('sample', by_range('time', INTERVAL '1 hour'), create_default_indexes => false, if_not_exists => true); END $$;

CREATE INDEX IF NOT EXISTS sample_signal_time ON sample (signal_id, time);

ALTER TABLE sample SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'signal_id', timescaledb.orderby = 'time');

CALL add_columnstore_policy('sample', after => INTERVAL '2 hours', if_not_exists => true);
