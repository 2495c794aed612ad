-- A value of which nobody knows any more whether it is still so is no good value: the one place that says which those are.
-- The source counts as alive while its gateway reports that it is connected, by the server's clock; a source that is read cyclically
-- vouches for all its signals with that. A signal that is to come each interval by itself must also have come, by its gateway's clock.

ALTER TABLE source_state ADD COLUMN IF NOT EXISTS reported_at timestamptz;

CREATE OR REPLACE VIEW latest_now AS
SELECT
    n.signal_id, n.time, n.received_time, n.value,
    CASE WHEN n.stale AND (n.status & -1073741824) = 0 THEN 1083179008 ELSE n.status END AS status,
    n.flags, n.text, n.stale
FROM (
    SELECT
        l.signal_id, l.time, l.received_time, l.value, l.status, l.flags, l.text,
        t.state IS DISTINCT FROM 'connected'
            OR coalesce(t.reported_at, to_timestamp(t.updated_us / 1e6))
                < now() - greatest(interval '5 seconds', 3 * s.interval_us * interval '1 microsecond')
            OR (
                s.protocol <> 'opcua' AND g.interval_us > 0 AND g.store_rule <> 'on_change'
                AND l.received_time < to_timestamp(t.updated_us / 1e6)
                    - greatest(interval '5 seconds', 3 * g.interval_us * interval '1 microsecond')
            ) AS stale
    FROM latest l JOIN signal g ON g.id = l.signal_id JOIN source s ON s.id = g.source_id LEFT JOIN source_state t ON t.source_id = s.id
) n;

CREATE OR REPLACE VIEW v_latest AS
SELECT
    l.time, g.path AS signal, l.value, l.text, l.status::bigint & 4294967295 AS status,
    (l.status & -1073741824) = 0 AS good, g.unit, l.received_time, l.stale
FROM latest_now l JOIN signal g ON g.id = l.signal_id;
