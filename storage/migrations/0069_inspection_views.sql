-- Inspections for people and their tools: stable names and columns.

CREATE OR REPLACE VIEW v_inspections AS
SELECT i.taken_time AS time, i.station, i.view, i.part, i.subject, i.decision, i.reasons, i.findings, i.uncertainty,
    i.model_sha256, i.calibration, encode(i.sha256, 'hex') AS picture, i.latency_us, i.shadow, i.brightness, i.sharpness, i.white_percent,
    i.stored_time, i.id
FROM inspection i;

CREATE OR REPLACE VIEW v_inspection_findings AS
SELECT i.taken_time AS time, i.station, i.view, i.part, i.subject, f.value ->> 'kind' AS kind, f.value ->> 'decision' AS decision,
    (f.value ->> 'confidence')::float8 AS confidence, f.value -> 'measures' AS measures, f.value -> 'box_px' AS box_px,
    f.value -> 'reasons' AS reasons, i.shadow, i.id AS inspection_id
FROM inspection i CROSS JOIN LATERAL jsonb_array_elements(i.findings) AS f (value);

CREATE OR REPLACE VIEW v_inspection_labels AS
SELECT l.time, l.actor, l.decision, l.accepted, l.boxes, l.comment, i.station, i.view, i.part, i.subject, encode(i.sha256, 'hex') AS picture,
    l.inspection_id, l.id
FROM inspection_label l JOIN inspection i ON i.id = l.inspection_id;

CREATE OR REPLACE VIEW v_refused_frames AS
SELECT r.time, r.came_from, r.name, encode(r.sha256, 'hex') AS sha256, r.bytes, r.station, r.view, r.part, r.reason, r.id
FROM refused_frame r;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_inspections, v_inspection_findings, v_inspection_labels, v_refused_frames TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
