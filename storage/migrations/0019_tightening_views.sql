-- Tightenings for people and their tools: stable names and columns.

CREATE OR REPLACE VIEW v_tightening AS
SELECT
    t.time, s.name AS source, e.path AS equipment, t.station, t.spindle, t.tightening_id, t.verdict, t.kind, t.part, t.identifiers,
    t.program, t.program_name, t.job, t.job_sequence, t.batch_size, t.batch_counter, t.batch_verdict,
    coalesce(t.bolt, t.batch_counter) AS bolt, t.sync_id,
    t.torque_nm, t.torque_min_nm, t.torque_max_nm, t.torque_target_nm, t.torque_status,
    t.angle_deg, t.angle_min_deg, t.angle_max_deg, t.angle_target_deg, t.angle_status,
    t.rundown_angle_deg, t.rundown_angle_min_deg, t.rundown_angle_max_deg, t.rundown_angle_status,
    t.prevail_torque_nm, t.current_percent, t.errors, t.customer_error, t.tool, t.tool_calibrated, t.controller, t.fetched,
    t.received_time, t.id,
    EXISTS (
        SELECT FROM tightening_curve c
        WHERE c.source_id = t.source_id AND c.tightening_id = t.tightening_id AND c.spindle IN (t.spindle, 0)
            AND c.time BETWEEN t.time - interval '1 hour' AND t.time + interval '1 hour'
    ) AS has_curve
FROM tightening t JOIN source s ON s.id = t.source_id LEFT JOIN equipment e ON e.id = t.equipment_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        BEGIN
            GRANT SELECT ON v_tightening TO leadhand_reader;
        EXCEPTION
            WHEN insufficient_privilege THEN RAISE NOTICE 'this account may not give rights to leadhand_reader';
        END;
    END IF;
END
$reader$;
