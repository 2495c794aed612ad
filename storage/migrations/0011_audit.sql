-- What people and controllers changed. Rows are added, never changed: a trigger refuses it, and each row's hash
-- covers the row before, so that a change behind the trigger's back is found.

CREATE TABLE IF NOT EXISTS audit (
    id bigint PRIMARY KEY,
    time_us bigint NOT NULL,
    actor text NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    previous jsonb,
    next jsonb,
    address text NOT NULL DEFAULT '',
    hash bytea NOT NULL
);

CREATE INDEX IF NOT EXISTS audit_by_time ON audit (time_us);

CREATE OR REPLACE FUNCTION audit_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''the audit table is never changed, only added to''; END';

DROP TRIGGER IF EXISTS audit_is_final ON audit;

CREATE TRIGGER audit_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_final();
