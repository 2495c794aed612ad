-- Condition of equipment: what was measured of each part, what is usual, what is not as usual, tools, and what people say to it.

CREATE TABLE IF NOT EXISTS condition_state (
    equipment_id integer PRIMARY KEY REFERENCES equipment,
    done_us bigint NOT NULL,
    state bytea NOT NULL
);

-- One number that is watched: a feature of a signal in a step of a program; no signal for how long the step takes.
CREATE TABLE IF NOT EXISTS condition_stream (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    equipment_id integer NOT NULL REFERENCES equipment,
    program text NOT NULL,
    step text NOT NULL,
    occurrence smallint NOT NULL,
    signal text NOT NULL,
    feature text NOT NULL,
    UNIQUE (equipment_id, program, step, occurrence, signal, feature)
);

CREATE TABLE IF NOT EXISTS condition_part (
    equipment_id integer NOT NULL REFERENCES equipment,
    end_time timestamptz NOT NULL,
    begin_time timestamptz NOT NULL,
    part text NOT NULL,
    program text NOT NULL,
    energy_kwh double precision,
    idle_kwh double precision,
    judged boolean NOT NULL,
    streams integer[] NOT NULL,
    levels double precision[] NOT NULL,
    PRIMARY KEY (equipment_id, end_time)
);

CREATE TABLE IF NOT EXISTS condition_baseline (
    stream_id integer NOT NULL REFERENCES condition_stream,
    from_time timestamptz NOT NULL,
    middle double precision,
    low double precision,
    high double precision,
    parts integer NOT NULL,
    PRIMARY KEY (stream_id, from_time)
);

CREATE TABLE IF NOT EXISTS condition_finding (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    equipment_id integer NOT NULL REFERENCES equipment,
    program text NOT NULL,
    step text NOT NULL,
    occurrence smallint NOT NULL,
    begin_time timestamptz NOT NULL,
    end_time timestamptz,
    last_time timestamptz NOT NULL,
    severity text NOT NULL,
    ratio double precision NOT NULL,
    parts integer NOT NULL,
    reasons jsonb NOT NULL,
    UNIQUE (equipment_id, program, step, occurrence, begin_time)
);

CREATE INDEX IF NOT EXISTS condition_finding_time ON condition_finding (begin_time DESC, id DESC);

CREATE TABLE IF NOT EXISTS condition_answer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    equipment_id integer NOT NULL REFERENCES equipment,
    finding_id bigint REFERENCES condition_finding,
    answer text NOT NULL,
    actor text NOT NULL,
    note text NOT NULL,
    time_us bigint NOT NULL,
    applied_us bigint
);

CREATE INDEX IF NOT EXISTS condition_answer_waits ON condition_answer (equipment_id) WHERE applied_us IS NULL;

CREATE TABLE IF NOT EXISTS condition_tool (
    equipment_id integer NOT NULL REFERENCES equipment,
    begin_time timestamptz NOT NULL,
    end_time timestamptz,
    tool text NOT NULL,
    parts integer NOT NULL,
    outlook text NOT NULL,
    rise_percent double precision,
    limit_percent double precision,
    remaining double precision,
    remaining_low double precision,
    remaining_high double precision,
    called_worn boolean NOT NULL DEFAULT false,
    PRIMARY KEY (equipment_id, begin_time)
);
