-- Exactly once: how far each spool is stored, and which batches made it so.

CREATE TABLE IF NOT EXISTS spool (
    spool uuid PRIMARY KEY,
    watermark bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS batch (
    spool uuid NOT NULL,
    last bigint NOT NULL,
    first bigint NOT NULL,
    samples integer NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool, last)
);
