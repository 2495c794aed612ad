-- What controllers tell by themselves (OPC 10000-9), one row an event, and how each of their conditions stands. Written with the batch
-- they came in, so exactly once. told: 'live', 'refreshed' (told anew when all conditions were asked for) or 'unseen' (it ended while
-- nobody listened, and was missing when they were).

CREATE TABLE IF NOT EXISTS event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES source,
    equipment_id integer REFERENCES equipment,
    event_id bytea NOT NULL,
    event_type text NOT NULL,
    source_node text NOT NULL,
    source_name text NOT NULL,
    time timestamptz NOT NULL,
    received_time timestamptz NOT NULL,
    message text NOT NULL,
    severity smallint NOT NULL,
    condition text NOT NULL,
    branch text NOT NULL,
    condition_name text NOT NULL,
    retain boolean,
    active boolean,
    acknowledged boolean,
    confirmed boolean,
    enabled boolean,
    suppressed boolean,
    shelved boolean,
    shelving text NOT NULL,
    comment text NOT NULL,
    who text NOT NULL,
    told text NOT NULL,
    UNIQUE (source_id, event_id, time)
);

CREATE INDEX IF NOT EXISTS event_time ON event (time DESC, id DESC);

CREATE INDEX IF NOT EXISTS event_condition ON event (source_id, condition, id) WHERE condition <> '';

-- active_since: since when it has been active as far as we were told.
CREATE TABLE IF NOT EXISTS condition_now (
    source_id integer NOT NULL REFERENCES source,
    condition text NOT NULL,
    branch text NOT NULL,
    equipment_id integer REFERENCES equipment,
    event_type text NOT NULL,
    source_node text NOT NULL,
    source_name text NOT NULL,
    condition_name text NOT NULL,
    time timestamptz NOT NULL,
    received_time timestamptz NOT NULL,
    message text NOT NULL,
    severity smallint NOT NULL,
    retain boolean,
    active boolean,
    active_since timestamptz,
    acknowledged boolean,
    confirmed boolean,
    enabled boolean,
    suppressed boolean,
    shelved boolean,
    shelving text NOT NULL,
    comment text NOT NULL,
    who text NOT NULL,
    told text NOT NULL,
    PRIMARY KEY (source_id, condition, branch)
) WITH (fillfactor = 70);

CREATE INDEX IF NOT EXISTS condition_now_retained ON condition_now (source_id) WHERE retain IS NOT FALSE;

CREATE OR REPLACE VIEW v_events AS
SELECT
    v.time, s.name AS source, e.path AS equipment, v.source_name, v.source_node, v.event_type, v.message, v.severity,
    v.condition, v.branch, v.condition_name, v.retain, v.active, v.acknowledged, v.confirmed, v.enabled, v.suppressed, v.shelved,
    v.shelving, v.comment, v.who, v.told, v.received_time, v.id
FROM event v JOIN source s ON s.id = v.source_id LEFT JOIN equipment e ON e.id = v.equipment_id;

CREATE OR REPLACE VIEW v_conditions AS
SELECT
    c.time, s.name AS source, e.path AS equipment, c.source_name, c.source_node, c.event_type, c.message, c.severity,
    c.condition, c.branch, c.condition_name, c.retain, c.active, c.active_since, c.acknowledged, c.confirmed, c.enabled, c.suppressed,
    c.shelved, c.shelving, c.comment, c.who, c.told, c.received_time
FROM condition_now c JOIN source s ON s.id = c.source_id LEFT JOIN equipment e ON e.id = c.equipment_id;

DO $roles$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_events, v_conditions TO leadhand_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_ingest') THEN
        GRANT SELECT, INSERT, UPDATE ON event, condition_now TO leadhand_ingest;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$roles$;
