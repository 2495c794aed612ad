-- What is remembered of an equipment, in pieces: only those are written that a part changed.
CREATE TABLE IF NOT EXISTS condition_piece (
    equipment_id integer NOT NULL REFERENCES equipment,
    name text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (equipment_id, name)
);

-- Compressed already; a second look would cost time and win nothing.
ALTER TABLE condition_piece ALTER COLUMN content SET STORAGE EXTERNAL;
