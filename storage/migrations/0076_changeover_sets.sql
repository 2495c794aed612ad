-- Changeover sets: recipe, torque program, vision recipe, robot program and fixture of each work unit and model, each version whole as
-- its file said it. The newest is in force; nothing is ever taken away.

CREATE TABLE IF NOT EXISTS changeover_book (
    version integer PRIMARY KEY,
    sha256 text NOT NULL,
    content text NOT NULL,
    sets integer NOT NULL,
    parts integer NOT NULL,
    -- who brought it in; never empty
    actor text NOT NULL CHECK (actor <> ''),
    time timestamptz NOT NULL,
    in_force boolean NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS changeover_book_in_force ON changeover_book (in_force) WHERE in_force;

CREATE OR REPLACE VIEW v_changeover_books AS
SELECT b.version, b.in_force, b.time, b.actor, b.sets, b.parts, b.sha256, b.content FROM changeover_book b;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_changeover_books TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
