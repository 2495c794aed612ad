-- Raw samples in range partitions by time, made and dropped by upkeep.
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
) PARTITION BY RANGE (time);

CREATE INDEX IF NOT EXISTS sample_signal_time ON sample (signal_id, time);

-- Seconds whose rollups are older than their samples: written with the samples, in their transaction, and taken by upkeep.
CREATE TABLE IF NOT EXISTS rollup_due (
    tier text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
