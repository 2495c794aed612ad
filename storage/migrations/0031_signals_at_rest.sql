-- A signal that is stored on change, or beyond a deadband, may send nothing new for long and is not stale for that.

ALTER TABLE signal ADD COLUMN IF NOT EXISTS may_rest boolean NOT NULL DEFAULT false;

UPDATE signal SET may_rest = true WHERE store_rule = 'on_change';

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
                s.protocol <> 'opcua' AND g.interval_us > 0 AND NOT g.may_rest
                AND l.received_time < to_timestamp(t.updated_us / 1e6)
                    - greatest(interval '5 seconds', 3 * g.interval_us * interval '1 microsecond')
            ) AS stale
    FROM latest l JOIN signal g ON g.id = l.signal_id JOIN source s ON s.id = g.source_id LEFT JOIN source_state t ON t.source_id = s.id
) n;
