-- Tightenings, one row each, and their curves, one row a curve. Written with the batch they came in, so exactly once.
-- A controller that starts numbering anew gives an id again, at another time.

CREATE TABLE IF NOT EXISTS tightening (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES source,
    tightening_id bigint NOT NULL,
    spindle smallint NOT NULL,
    time timestamptz NOT NULL,
    station smallint NOT NULL,
    equipment_id integer REFERENCES equipment,
    received_time timestamptz NOT NULL,
    verdict text NOT NULL,
    kind text NOT NULL,
    fetched boolean NOT NULL,
    controller text NOT NULL,
    program integer,
    program_name text NOT NULL,
    program_changed timestamptz,
    strategy smallint,
    strategy_options integer,
    job integer,
    job_sequence integer,
    batch_size integer,
    batch_counter integer,
    batch_verdict text NOT NULL,
    sync_id integer,
    part text NOT NULL,
    identifiers text[] NOT NULL,
    bolt integer,
    torque_nm double precision,
    torque_min_nm double precision,
    torque_max_nm double precision,
    torque_target_nm double precision,
    torque_status text,
    angle_deg double precision,
    angle_min_deg double precision,
    angle_max_deg double precision,
    angle_target_deg double precision,
    angle_status text,
    rundown_angle_deg double precision,
    rundown_angle_min_deg double precision,
    rundown_angle_max_deg double precision,
    rundown_angle_status text,
    prevail_torque_nm double precision,
    prevail_torque_min_nm double precision,
    prevail_torque_max_nm double precision,
    self_tap_torque_nm double precision,
    current_percent double precision,
    errors bigint NOT NULL,
    customer_error text NOT NULL,
    tool text NOT NULL,
    tool_calibrated timestamptz,
    stage_torque_nm double precision[] NOT NULL,
    stage_angle_deg double precision[] NOT NULL,
    UNIQUE (source_id, tightening_id, spindle, time)
);

CREATE INDEX IF NOT EXISTS tightening_time ON tightening (time DESC, id DESC);

CREATE INDEX IF NOT EXISTS tightening_part ON tightening (part, time DESC) WHERE part <> '';

CREATE INDEX IF NOT EXISTS tightening_not_ok ON tightening (time DESC, id DESC) WHERE verdict <> 'ok';

CREATE INDEX IF NOT EXISTS tightening_of_equipment ON tightening (equipment_id, spindle, time DESC);

CREATE TABLE IF NOT EXISTS tightening_curve (
    source_id integer NOT NULL REFERENCES source,
    tightening_id bigint NOT NULL,
    spindle smallint NOT NULL,
    time timestamptz NOT NULL,
    station smallint NOT NULL,
    received_time timestamptz NOT NULL,
    intervals_first integer[] NOT NULL,
    intervals_us double precision[] NOT NULL,
    steps integer[] NOT NULL,
    bolt integer,
    torque bytea,
    torque_samples integer,
    torque_resolution_nm double precision,
    angle bytea,
    angle_samples integer,
    angle_resolution_deg double precision,
    PRIMARY KEY (source_id, tightening_id, spindle, time)
);

-- They are deflated already.
ALTER TABLE tightening_curve ALTER COLUMN torque SET STORAGE EXTERNAL, ALTER COLUMN angle SET STORAGE EXTERNAL;

CREATE INDEX IF NOT EXISTS tightening_curve_time ON tightening_curve (time);

-- Traces of other quantities: current, gradient, stroke, force.
CREATE TABLE IF NOT EXISTS tightening_trace (
    source_id integer NOT NULL REFERENCES source,
    tightening_id bigint NOT NULL,
    spindle smallint NOT NULL,
    time timestamptz NOT NULL,
    kind text NOT NULL,
    samples integer NOT NULL,
    intervals_first integer[] NOT NULL,
    intervals_us double precision[] NOT NULL,
    packed bytea NOT NULL,
    resolution double precision NOT NULL,
    PRIMARY KEY (source_id, tightening_id, spindle, time, kind)
);

CREATE INDEX IF NOT EXISTS tightening_trace_time ON tightening_trace (time);
