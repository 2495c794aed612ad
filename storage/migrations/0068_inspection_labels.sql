-- What inspectors said of pictures: only added to. The newest of an inspection counts; it is what models learn from.

CREATE TABLE IF NOT EXISTS inspection_label (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    inspection_id bigint NOT NULL REFERENCES inspection ON DELETE CASCADE,
    time timestamptz NOT NULL,
    actor text NOT NULL,
    decision text NOT NULL,
    -- accepted as it was found, or corrected
    accepted boolean NOT NULL,
    -- [{kind, box_px}] of the whole picture
    boxes jsonb NOT NULL,
    comment text NOT NULL
);

CREATE INDEX IF NOT EXISTS inspection_label_of ON inspection_label (inspection_id, id DESC);

CREATE OR REPLACE FUNCTION inspection_label_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''labels of inspectors are never changed, only added to''; END';

DROP TRIGGER IF EXISTS inspection_label_is_final ON inspection_label;

CREATE TRIGGER inspection_label_is_final BEFORE UPDATE ON inspection_label
FOR EACH STATEMENT EXECUTE FUNCTION inspection_label_is_final();
