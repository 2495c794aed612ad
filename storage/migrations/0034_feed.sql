-- What storage received, shipment by shipment, for those who follow it: written by the shipment's own transaction.

-- until_us: no sample of the source that was received before this by our clock will come any more; one that comes after all is flagged.
CREATE TABLE IF NOT EXISTS feed_mark (
    source_id integer PRIMARY KEY REFERENCES source,
    seq bigint NOT NULL,
    until_us bigint NOT NULL,
    late bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- One row a shipment and source; the times of its samples lie in low_us to high_us, were received in received_low_us to received_high_us.
CREATE TABLE IF NOT EXISTS feed_shipment (
    source_id integer NOT NULL REFERENCES source,
    seq bigint NOT NULL,
    until_us bigint NOT NULL,
    samples integer NOT NULL,
    low_us bigint NOT NULL,
    high_us bigint NOT NULL,
    received_low_us bigint NOT NULL,
    received_high_us bigint NOT NULL,
    PRIMARY KEY (source_id, seq)
);

CREATE INDEX IF NOT EXISTS feed_shipment_received ON feed_shipment (received_high_us);

-- For each signal of a shipment its lowest, highest, first and last: whoever lacks a row of it reads the samples themselves, so it need
-- outlive no crash, and is kept for minutes only.
CREATE UNLOGGED TABLE IF NOT EXISTS feed_digest (
    source_id integer NOT NULL,
    seq bigint NOT NULL,
    columns bytea NOT NULL,
    PRIMARY KEY (source_id, seq)
);

ALTER TABLE feed_digest ALTER COLUMN columns SET STORAGE EXTERNAL;

CREATE OR REPLACE VIEW v_feed AS
SELECT s.name AS source, to_timestamp(m.until_us / 1e6) AS complete_until, m.seq AS shipments, m.late
FROM feed_mark m JOIN source s ON s.id = m.source_id;

DO $roles$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_ingest') THEN
        GRANT SELECT, INSERT, UPDATE ON feed_mark TO leadhand_ingest;
        GRANT SELECT, INSERT ON feed_shipment TO leadhand_ingest;
        GRANT SELECT, INSERT, DELETE ON feed_digest TO leadhand_ingest;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_feed TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$roles$;
