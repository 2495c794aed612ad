-- Reports of shifts, made once at each shift's end and kept as they were made; and what people write for the next shift.

CREATE TABLE IF NOT EXISTS shift_report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- path of the line: an equipment
    line text NOT NULL CHECK (line <> ''),
    shift text NOT NULL,
    -- the day, in plant time, on which the shift began
    day date NOT NULL,
    team text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    made_time timestamptz NOT NULL,
    -- a shift-report/1: plant/shift_reports.py
    content jsonb NOT NULL,
    -- when it was written into the folder that settings name; null: not yet
    written_time timestamptz,
    UNIQUE (line, from_time),
    CHECK (from_time < to_time)
);

CREATE INDEX IF NOT EXISTS shift_report_time ON shift_report (from_time DESC);

CREATE INDEX IF NOT EXISTS shift_report_unwritten ON shift_report (id) WHERE written_time IS NULL;

-- What somebody wrote for those who come after; it belongs to the shift of the line that ran then.
CREATE TABLE IF NOT EXISTS shift_note (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line text NOT NULL CHECK (line <> ''),
    time timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    text text NOT NULL CHECK (text <> '')
);

CREATE INDEX IF NOT EXISTS shift_note_line ON shift_note (line, time);

CREATE OR REPLACE VIEW v_shift_reports AS
SELECT r.from_time AS time, r.to_time, r.line, r.shift, r.day, r.team, r.made_time,
    (r.content #>> '{figures,availability}')::double precision AS availability,
    (r.content #>> '{figures,effectiveness}')::double precision AS effectiveness,
    (r.content #>> '{figures,quality_ratio}')::double precision AS quality_ratio,
    (r.content #>> '{figures,oee}')::double precision AS oee,
    (r.content #>> '{figures,produced}')::bigint AS produced, (r.content #>> '{figures,good}')::bigint AS good,
    (r.content #>> '{figures,scrap}')::bigint AS scrap, (r.content #>> '{figures,rework}')::bigint AS rework,
    (r.content #>> '{alarms,count}')::bigint AS alarms, (r.content #>> '{quality,not_ok}')::bigint AS not_ok,
    (r.content #>> '{samples,expected}')::bigint AS samples_expected, (r.content #>> '{samples,gap}')::bigint AS samples_missed, r.id
FROM shift_report r;

CREATE OR REPLACE VIEW v_shift_notes AS
SELECT n.time, n.line, n.actor, n.text, n.id FROM shift_note n;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_shift_reports, v_shift_notes TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
