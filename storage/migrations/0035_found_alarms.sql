-- How findings change, in the order in which they did: a finding's own row says only how it stands. Alarms follow these lines.
CREATE TABLE IF NOT EXISTS condition_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    equipment_id integer NOT NULL REFERENCES equipment,
    program text NOT NULL,
    step text NOT NULL,
    occurrence smallint NOT NULL,
    begin_time timestamptz NOT NULL,
    time timestamptz NOT NULL,
    severity text NOT NULL,
    ratio double precision NOT NULL,
    ended boolean NOT NULL
);
