-- The ledger of all time, one row a source: counters for those who watch, which never fall when old minutes are forgotten.

CREATE TABLE IF NOT EXISTS ledger_total (
    source_id integer PRIMARY KEY REFERENCES source,
    expected bigint NOT NULL,
    stored bigint NOT NULL,
    unchanged bigint NOT NULL,
    filtered bigint NOT NULL,
    duplicate bigint NOT NULL,
    rejected bigint NOT NULL,
    gap bigint NOT NULL,
    complete boolean NOT NULL,
    ticks bigint NOT NULL,
    first_minute timestamptz NOT NULL
) WITH (fillfactor = 40);

INSERT INTO ledger_total
SELECT
    source_id, sum(expected)::bigint, sum(stored)::bigint, sum(unchanged)::bigint, sum(filtered)::bigint, sum(duplicate)::bigint,
    sum(rejected)::bigint, sum(gap)::bigint, bool_and(complete), sum(ticks)::bigint, min(minute)
FROM ledger GROUP BY source_id
ON CONFLICT DO NOTHING;
