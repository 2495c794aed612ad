-- Design changes as PLM told them: kept whole, in force once each station has acknowledged. Stations answer once.

CREATE TABLE IF NOT EXISTS design_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- by which PLM knows it
    number text NOT NULL UNIQUE,
    product text NOT NULL,
    version text NOT NULL,
    effective_from text NOT NULL,
    received_time timestamptz NOT NULL,
    sent_by text NOT NULL,
    -- as it was sent, and what it does to what was in force then: [{kind, code, values, stations}]
    document jsonb NOT NULL,
    effects jsonb NOT NULL,
    stage text NOT NULL DEFAULT 'waiting' CHECK (stage IN ('waiting', 'in_force', 'refused', 'withdrawn')),
    stage_time timestamptz NOT NULL,
    stage_actor text NOT NULL DEFAULT '',
    stage_note text NOT NULL DEFAULT '',
    UNIQUE (product, version)
);

CREATE INDEX IF NOT EXISTS design_change_product ON design_change (product, id);

-- sent_time: when the station was told. accepted: what it answered, null: nothing yet.
CREATE TABLE IF NOT EXISTS design_change_station (
    design_change_id bigint NOT NULL REFERENCES design_change,
    station text NOT NULL,
    sent_time timestamptz,
    accepted boolean,
    answered_time timestamptz,
    actor text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    PRIMARY KEY (design_change_id, station),
    CHECK ((accepted IS NULL) = (answered_time IS NULL))
);

CREATE INDEX IF NOT EXISTS new_product_design_change ON new_product (design_change_id) WHERE design_change_id IS NOT NULL;

CREATE OR REPLACE FUNCTION design_change_guard() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF (new.number, new.product, new.version, new.effective_from, new.document, new.effects)
        IS DISTINCT FROM (old.number, old.product, old.version, old.effective_from, old.document, old.effects) THEN
        RAISE EXCEPTION ''a design change is never changed, only its stage'';
    END IF;
    IF new.stage IS DISTINCT FROM old.stage AND old.stage NOT IN (''waiting'', ''in_force'') THEN
        RAISE EXCEPTION ''a design change that is % stays so'', old.stage USING ERRCODE = ''check_violation'';
    END IF;
    IF new.stage = ''in_force'' AND EXISTS (
        SELECT FROM design_change_station s WHERE s.design_change_id = new.id AND s.accepted IS NOT TRUE
    ) THEN
        RAISE EXCEPTION ''a design change comes into force when each station has acknowledged it'' USING ERRCODE = ''check_violation'';
    END IF;
    RETURN new;
END';

DROP TRIGGER IF EXISTS design_change_guard ON design_change;

CREATE TRIGGER design_change_guard BEFORE UPDATE ON design_change FOR EACH ROW EXECUTE FUNCTION design_change_guard();

CREATE OR REPLACE FUNCTION design_change_answer_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF old.accepted IS NOT NULL AND (new.accepted, new.answered_time, new.actor, new.note)
        IS DISTINCT FROM (old.accepted, old.answered_time, old.actor, old.note) THEN
        RAISE EXCEPTION ''a station has answered already'' USING ERRCODE = ''check_violation'';
    END IF;
    RETURN new;
END';

DROP TRIGGER IF EXISTS design_change_answer_is_final ON design_change_station;

CREATE TRIGGER design_change_answer_is_final BEFORE UPDATE ON design_change_station
FOR EACH ROW EXECUTE FUNCTION design_change_answer_is_final();

CREATE OR REPLACE VIEW v_design_changes AS
SELECT c.received_time AS time, c.number, c.product, c.version, c.effective_from, c.stage, c.stage_time, c.stage_actor, c.stage_note,
    c.sent_by, (SELECT count(*) FROM design_change_station s WHERE s.design_change_id = c.id) AS stations,
    (SELECT count(*) FROM design_change_station s WHERE s.design_change_id = c.id AND s.accepted) AS acknowledged, c.document, c.effects,
    c.id
FROM design_change c;

CREATE OR REPLACE VIEW v_design_change_stations AS
SELECT c.received_time AS time, c.number, c.product, c.version, s.station, s.sent_time, s.accepted, s.answered_time, s.actor, s.note,
    s.design_change_id
FROM design_change_station s JOIN design_change c ON c.id = s.design_change_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_design_changes, v_design_change_stations TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
