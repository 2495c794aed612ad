-- Joints for people and their tools: stable names and columns; the newest revision of each.

CREATE OR REPLACE VIEW v_joint AS
SELECT
    j.time, j.group_id AS joint_group, e.path AS equipment, j.part, j.bolt, j.revision, j.state, j.decision, j.reasons, j.risk,
    j.curve_decision, j.order_decision, j.mark_decision, j.measures, j.distance, j.review_at, j.reference_runs, j.spindle, j.program,
    j.tool, j.tool_calibrated, j.picture, j.actor, j.note, j.made_time, j.tightening, j.id
FROM joint_record j LEFT JOIN equipment e ON e.id = j.equipment_id
WHERE j.newest;

CREATE OR REPLACE VIEW v_joint_group AS
SELECT
    group_id AS joint_group, part, max(bolts) AS bolts, count(*) AS joints, count(*) FILTER (WHERE state = 'released') AS released,
    count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'case') AS cases,
    count(*) FILTER (WHERE state = 'stopped') AS stopped, min(time) AS begin_time, max(time) AS end_time,
    CASE
        WHEN bool_or(state = 'stopped') THEN 'stopped'
        WHEN bool_or(state = 'case') THEN 'case'
        WHEN bool_or(state = 'waiting') OR count(*) < max(bolts) THEN 'waiting'
        ELSE 'released'
    END AS state
FROM joint_record
WHERE newest
GROUP BY group_id, part;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        BEGIN
            GRANT SELECT ON v_joint, v_joint_group TO leadhand_reader;
        EXCEPTION
            WHEN insufficient_privilege THEN RAISE NOTICE 'this account may not give rights to leadhand_reader';
        END;
    END IF;
END
$reader$;
