-- What people and their tools read: stable names and columns, whatever the tables behind become.

CREATE OR REPLACE VIEW v_samples AS
SELECT
    s.time, g.path AS signal, s.value, s.text, s.status::bigint & 4294967295 AS status,
    (s.status & -1073741824) = 0 AS good, g.unit
FROM sample s JOIN signal g ON g.id = s.signal_id;

CREATE OR REPLACE VIEW v_latest AS
SELECT
    l.time, g.path AS signal, l.value, l.text, l.status::bigint & 4294967295 AS status,
    (l.status & -1073741824) = 0 AS good, g.unit, l.received_time
FROM latest l JOIN signal g ON g.id = l.signal_id;

CREATE OR REPLACE VIEW v_rollup_1s AS
SELECT r.bucket AS time, g.path AS signal, r.count, r.good_count, r.min, r.max, r.mean, r.first, r.last, g.unit
FROM rollup_1s r JOIN signal g ON g.id = r.signal_id;

CREATE OR REPLACE VIEW v_rollup_1m AS
SELECT r.bucket AS time, g.path AS signal, r.count, r.good_count, r.min, r.max, r.mean, r.first, r.last, g.unit
FROM rollup_1m r JOIN signal g ON g.id = r.signal_id;

CREATE OR REPLACE VIEW v_rollup_1h AS
SELECT r.bucket AS time, g.path AS signal, r.count, r.good_count, r.min, r.max, r.mean, r.first, r.last, g.unit
FROM rollup_1h r JOIN signal g ON g.id = r.signal_id;

CREATE OR REPLACE VIEW v_ledger AS
SELECT
    l.minute AS time, s.name AS source, l.expected, l.stored, l.unchanged, l.filtered, l.duplicate, l.rejected, l.gap,
    l.expected - l.stored - l.unchanged - l.filtered - l.duplicate - l.rejected - l.gap AS not_yet_explained,
    l.complete, l.ticks
FROM ledger l JOIN source s ON s.id = l.source_id;

CREATE OR REPLACE VIEW v_gaps AS
SELECT g.from_time AS time, g.to_time, s.name AS source, n.path AS signal, g.count, g.reason, g.detail
FROM gap g JOIN source s ON s.id = g.source_id LEFT JOIN signal n ON n.id = g.signal_id;

CREATE OR REPLACE VIEW v_sources AS
SELECT
    s.name AS source, s.protocol, s.url, s.retired, t.state, t.detail, to_timestamp(t.since_us / 1e6) AS since,
    t.requested_us, t.granted_us, t.achieved_us, t.lateness_p50_us, t.lateness_p99_us, t.missed_ticks,
    to_timestamp(t.last_sample_us / 1e6) AS last_sample, t.in_spool, t.spool_bytes, t.reconnects, s.insecure, t.complete,
    to_timestamp(t.updated_us / 1e6) AS updated
FROM source s LEFT JOIN source_state t ON t.source_id = s.id;
