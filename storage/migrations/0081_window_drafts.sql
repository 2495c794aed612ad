-- Process windows that an engineer wrote and another person is to approve. A draft is never changed, and decided once;
-- who wrote it does not approve it, whatever stands above the database.

CREATE TABLE IF NOT EXISTS window_draft (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    work_unit text NOT NULL,
    program text NOT NULL,
    job text NOT NULL,
    -- version of the set that it was written against; 0: there was none
    base integer NOT NULL CHECK (base >= 0),
    -- the whole window, without who approves it
    document jsonb NOT NULL,
    note text NOT NULL,
    author text NOT NULL CHECK (btrim(author) <> ''),
    time timestamptz NOT NULL,
    stage text NOT NULL CHECK (stage IN ('waiting', 'approved', 'declined', 'withdrawn')),
    decided_by text NOT NULL DEFAULT '',
    decided_time timestamptz,
    reason text NOT NULL DEFAULT '',
    -- of the set that it became part of
    version integer REFERENCES process_window_set,
    CONSTRAINT window_draft_decided CHECK ((stage = 'waiting') = (decided_time IS NULL) AND (stage = 'waiting') = (decided_by = '')),
    CONSTRAINT window_draft_in_force CHECK ((stage = 'approved') = (version IS NOT NULL)),
    CONSTRAINT window_draft_two_persons CHECK (stage <> 'approved' OR lower(btrim(decided_by)) <> lower(btrim(author)))
);

CREATE UNIQUE INDEX IF NOT EXISTS window_draft_waiting ON window_draft (work_unit, program, job) WHERE stage = 'waiting';

CREATE OR REPLACE FUNCTION window_draft_is_final() RETURNS trigger LANGUAGE plpgsql AS
$final$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'drafts of process windows are kept';
    END IF;
    IF OLD.stage <> 'waiting' OR NEW.stage = 'waiting' THEN
        RAISE EXCEPTION 'a draft of a process window is decided once';
    END IF;
    IF (NEW.work_unit, NEW.program, NEW.job, NEW.base, NEW.document, NEW.note, NEW.author, NEW.time)
        IS DISTINCT FROM (OLD.work_unit, OLD.program, OLD.job, OLD.base, OLD.document, OLD.note, OLD.author, OLD.time) THEN
        RAISE EXCEPTION 'a draft of a process window is never changed';
    END IF;
    RETURN NEW;
END
$final$;

DROP TRIGGER IF EXISTS window_draft_is_final ON window_draft;

CREATE TRIGGER window_draft_is_final BEFORE UPDATE OR DELETE ON window_draft FOR EACH ROW EXECUTE FUNCTION window_draft_is_final();

CREATE OR REPLACE VIEW v_window_drafts AS
SELECT d.id, d.time, d.work_unit, d.program, d.job, d.base, d.stage, d.author, d.note, d.decided_by, d.decided_time, d.reason, d.version,
    d.document
FROM window_draft d;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_window_drafts TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
