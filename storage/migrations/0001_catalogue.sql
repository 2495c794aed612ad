-- What there is: equipment, sources and signals. Sample rows carry the small numbers given here.

CREATE TABLE IF NOT EXISTS equipment (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL UNIQUE,
    name text NOT NULL,
    kind text NOT NULL DEFAULT '',
    level text NOT NULL,
    parent_id integer REFERENCES equipment,
    position integer NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS source (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    protocol text NOT NULL,
    url text NOT NULL,
    interval_us bigint NOT NULL DEFAULT 0,
    insecure boolean NOT NULL DEFAULT false,
    retired boolean NOT NULL DEFAULT false
);

CREATE TABLE IF NOT EXISTS signal (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL UNIQUE,
    equipment_id integer NOT NULL REFERENCES equipment,
    name text NOT NULL,
    data_type text NOT NULL,
    unit text NOT NULL DEFAULT '',
    source_id integer NOT NULL REFERENCES source,
    address text NOT NULL,
    interval_us bigint NOT NULL DEFAULT 0,
    store_rule text NOT NULL,
    range_low double precision,
    range_high double precision,
    limit_low_low double precision,
    limit_low double precision,
    limit_high double precision,
    limit_high_high double precision,
    description text NOT NULL DEFAULT '',
    position integer NOT NULL DEFAULT 0,
    retired boolean NOT NULL DEFAULT false
);

CREATE INDEX IF NOT EXISTS signal_of_equipment ON signal (equipment_id);

CREATE INDEX IF NOT EXISTS signal_of_source ON signal (source_id);
