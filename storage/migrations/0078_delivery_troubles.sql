-- What people must be told of deliveries: controllers that are not heard, messages in doubt, modes that fell back. Only added to; the
-- monitor makes alarms of it.

CREATE TABLE IF NOT EXISTS delivery_trouble (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    work_unit text NOT NULL CHECK (work_unit <> ''),
    kind text NOT NULL CHECK (kind IN ('heartbeat', 'counter', 'in_doubt', 'read_back', 'mode_drop')),
    active boolean NOT NULL,
    time timestamptz NOT NULL,
    words text NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS delivery_trouble_of ON delivery_trouble (work_unit, kind, id DESC);

CREATE OR REPLACE TRIGGER delivery_trouble_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON delivery_trouble
FOR EACH STATEMENT EXECUTE FUNCTION delivery_is_final();

CREATE OR REPLACE VIEW v_delivery_troubles AS SELECT time, work_unit, kind, active, words, id FROM delivery_trouble;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_delivery_troubles TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
