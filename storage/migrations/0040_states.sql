-- What equipment did and made: intervals of state, pieces by second, what counters did that is no production, and what people say of stops.

CREATE TABLE IF NOT EXISTS state_interval (
    equipment_id integer NOT NULL REFERENCES equipment,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    since_time timestamptz NOT NULL,
    state text NOT NULL,
    mode text NOT NULL,
    reason text NOT NULL,
    product text NOT NULL,
    job_order text NOT NULL,
    part text NOT NULL,
    PRIMARY KEY (equipment_id, from_time)
);

CREATE INDEX IF NOT EXISTS state_interval_end ON state_interval (equipment_id, to_time);

CREATE TABLE IF NOT EXISTS piece_count (
    equipment_id integer NOT NULL REFERENCES equipment,
    time timestamptz NOT NULL,
    kind text NOT NULL,
    product text NOT NULL,
    job_order text NOT NULL,
    pieces bigint NOT NULL,
    PRIMARY KEY (equipment_id, time, kind, product, job_order)
);

CREATE TABLE IF NOT EXISTS counter_fault (
    equipment_id integer NOT NULL REFERENCES equipment,
    time timestamptz NOT NULL,
    signal text NOT NULL,
    fault text NOT NULL,
    before double precision NOT NULL,
    after double precision NOT NULL,
    PRIMARY KEY (equipment_id, time, signal, fault)
);

-- A person's word about a span of an equipment; of several the newest holds. What the rules told stays as it is.
CREATE TABLE IF NOT EXISTS state_reason (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    equipment_id integer NOT NULL REFERENCES equipment,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    reason text NOT NULL,
    note text NOT NULL,
    actor text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS state_reason_span ON state_reason (equipment_id, to_time);

CREATE OR REPLACE VIEW v_states AS
SELECT i.from_time AS time, i.to_time, e.path AS equipment, i.state, i.mode, i.reason, i.product, i.job_order, i.part, i.since_time
FROM state_interval i JOIN equipment e ON e.id = i.equipment_id;

CREATE OR REPLACE VIEW v_pieces AS
SELECT p.time, e.path AS equipment, p.kind, p.product, p.job_order, p.pieces
FROM piece_count p JOIN equipment e ON e.id = p.equipment_id;

CREATE OR REPLACE VIEW v_counter_faults AS
SELECT f.time, e.path AS equipment, f.signal, f.fault, f.before, f.after
FROM counter_fault f JOIN equipment e ON e.id = f.equipment_id;

CREATE OR REPLACE VIEW v_state_reasons AS
SELECT r.made_at AS time, e.path AS equipment, r.from_time, r.to_time, r.reason, r.note, r.actor, r.id
FROM state_reason r JOIN equipment e ON e.id = r.equipment_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_states, v_pieces, v_counter_faults, v_state_reasons TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
