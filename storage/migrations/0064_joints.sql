-- Joints: what torque and angle, order and picture say of each, revision after revision; and what good runs of a program look like.

CREATE TABLE IF NOT EXISTS joint_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id text NOT NULL,
    equipment_id integer REFERENCES equipment,
    part text NOT NULL,
    bolt integer NOT NULL,
    revision integer NOT NULL,
    -- when the tool ended, and when this revision was made
    time timestamptz NOT NULL,
    made_time timestamptz NOT NULL,
    bolts integer NOT NULL,
    risk text NOT NULL,
    -- number of the tightening in table tightening, which may be forgotten sooner
    tightening bigint,
    spindle integer,
    program integer,
    program_print text NOT NULL,
    tool text NOT NULL,
    tool_calibrated timestamptz,
    state text NOT NULL,
    decision text NOT NULL,
    reasons jsonb NOT NULL,
    curve_decision text,
    order_decision text,
    mark_decision text,
    measures jsonb NOT NULL,
    distance double precision,
    review_at double precision,
    reference_runs integer NOT NULL,
    picture text NOT NULL,
    picture_calibration text NOT NULL,
    -- a person, where a person decided
    actor text NOT NULL,
    note text NOT NULL,
    newest boolean NOT NULL,
    UNIQUE (group_id, part, bolt, revision)
);

CREATE INDEX IF NOT EXISTS joint_record_time ON joint_record (time DESC, id DESC) WHERE newest;

CREATE INDEX IF NOT EXISTS joint_record_part ON joint_record (part, bolt) WHERE newest;

CREATE INDEX IF NOT EXISTS joint_record_case ON joint_record (time DESC, id DESC) WHERE newest AND state <> 'released';

CREATE INDEX IF NOT EXISTS joint_record_learning ON joint_record (program_print, id) WHERE newest AND curve_decision IS NULL;

CREATE INDEX IF NOT EXISTS joint_record_tightening ON joint_record (tightening);

-- A revision that was written stays as it was; only whether it is the newest changes.
CREATE OR REPLACE FUNCTION keep_joint_record() RETURNS trigger LANGUAGE plpgsql AS $keep$
BEGIN
    IF (to_jsonb(new) - 'newest') IS DISTINCT FROM (to_jsonb(old) - 'newest') THEN
        RAISE EXCEPTION 'a joint record is never changed: add a revision' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END
$keep$;

CREATE OR REPLACE TRIGGER joint_record_stays BEFORE UPDATE ON joint_record FOR EACH ROW EXECUTE FUNCTION keep_joint_record();

CREATE TABLE IF NOT EXISTS joint_reference (
    program_print text PRIMARY KEY,
    name text NOT NULL,
    runs integer NOT NULL,
    made_time timestamptz NOT NULL,
    reference jsonb NOT NULL
);
