-- Condition for people and their tools: stable names and columns.

CREATE OR REPLACE VIEW v_condition_finding AS
SELECT f.id, e.path AS equipment, f.program, f.step, f.occurrence, f.begin_time, f.end_time, f.last_time, f.severity, f.ratio, f.parts,
    f.reasons, (SELECT a.answer FROM condition_answer a WHERE a.finding_id = f.id ORDER BY a.id DESC LIMIT 1) AS answer
FROM condition_finding f JOIN equipment e ON e.id = f.equipment_id;

CREATE OR REPLACE VIEW v_condition_part AS
SELECT e.path AS equipment, p.begin_time, p.end_time, p.part, p.program, p.energy_kwh, p.idle_kwh
FROM condition_part p JOIN equipment e ON e.id = p.equipment_id;

CREATE OR REPLACE VIEW v_condition_level AS
SELECT e.path AS equipment, p.end_time AS time, p.part, s.program, s.step, s.occurrence, s.signal, s.feature, l.level
FROM condition_part p JOIN equipment e ON e.id = p.equipment_id
CROSS JOIN LATERAL unnest(p.streams, p.levels) AS l (stream_id, level) JOIN condition_stream s ON s.id = l.stream_id;

CREATE OR REPLACE VIEW v_condition_tool AS
SELECT e.path AS equipment, t.begin_time, t.end_time, t.tool, t.parts, t.outlook, t.rise_percent, t.limit_percent, t.remaining,
    t.remaining_low, t.remaining_high, t.called_worn
FROM condition_tool t JOIN equipment e ON e.id = t.equipment_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        BEGIN
            GRANT SELECT ON v_condition_finding, v_condition_part, v_condition_level, v_condition_tool TO leadhand_reader;
        EXCEPTION
            WHEN insufficient_privilege THEN RAISE NOTICE 'this account may not give rights to leadhand_reader';
        END;
    END IF;
END
$reader$;
