-- Centres that serve several factories: what parts they ordered, sheets in stock, what each factory gets when, and what is cut from what.

CREATE TABLE IF NOT EXISTS part_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- the factory's or the ERP's own number; the same number again is the same order
    number text NOT NULL UNIQUE CHECK (number <> ''),
    factory text NOT NULL CHECK (factory <> ''),
    part text NOT NULL CHECK (part <> ''),
    -- cutting: from a sheet, by its shape; stamping: on a press, by its hours
    kind text NOT NULL CHECK (kind IN ('cutting', 'stamping')),
    -- outline and holes in mm; null where it is not cut
    shape jsonb,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    material text NOT NULL,
    thickness_mm double precision NOT NULL CHECK (thickness_mm >= 0),
    -- null: at any angle
    rotations_deg double precision[],
    grain_deg double precision,
    -- of one piece; null: reckoned from its cut
    hours double precision CHECK (hours >= 0),
    earliest_time timestamptz,
    due_time timestamptz,
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 9),
    -- number of the customer order that waits for these parts; empty: none
    for_order text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    source text NOT NULL,
    actor text NOT NULL,
    received_time timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'cancelled')),
    state_time timestamptz NOT NULL,
    changed_time timestamptz NOT NULL,
    -- pieces in nests that were released, and pieces that are made
    released integer NOT NULL DEFAULT 0 CHECK (released >= 0),
    made integer NOT NULL DEFAULT 0 CHECK (made >= 0),
    CHECK ((kind = 'cutting') = (shape IS NOT NULL)),
    CHECK (kind = 'cutting' OR hours IS NOT NULL),
    CHECK (released + made <= quantity)
);

CREATE INDEX IF NOT EXISTS part_order_open ON part_order (id) WHERE state = 'open';

CREATE INDEX IF NOT EXISTS part_order_for ON part_order (for_order) WHERE for_order <> '';

CREATE TABLE IF NOT EXISTS stock_sheet (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- lot or plate number; of a remnant the nest's and its place
    name text NOT NULL UNIQUE CHECK (name <> ''),
    width_mm double precision NOT NULL CHECK (width_mm > 0),
    height_mm double precision NOT NULL CHECK (height_mm > 0),
    material text NOT NULL,
    thickness_mm double precision NOT NULL CHECK (thickness_mm >= 0),
    grain_deg double precision,
    -- free to be nested on; what released nests hold is in reserved
    quantity integer NOT NULL CHECK (quantity >= 0),
    reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    remnant boolean NOT NULL,
    -- where it lies
    place text NOT NULL DEFAULT '',
    -- the nest that left it
    origin_nest_id bigint,
    added_time timestamptz NOT NULL,
    changed_time timestamptz NOT NULL,
    actor text NOT NULL
);

-- What each factory gets of the centres, and when: a version whole, the newest holds.
CREATE TABLE IF NOT EXISTS share_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_time timestamptz NOT NULL,
    rule text NOT NULL,
    -- share-problem/1 and shares/1 files; null once they are forgotten
    problem text,
    shares text,
    -- index of fairness, worst lateness, throughput against the unfair optimum ...
    figures jsonb NOT NULL,
    -- hours owed to each factory (by name) at the end of each period: [{"until": us, "owed": {factory: hours}}]
    owed jsonb NOT NULL,
    -- when a centre works for whom: [{"centre", "factory", "from": us, "to": us}]
    windows jsonb NOT NULL DEFAULT '[]',
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    orders integer NOT NULL,
    seconds double precision NOT NULL,
    CHECK ((problem IS NULL) = (shares IS NULL))
);

-- What an order gets: rows of the newest version only.
CREATE TABLE IF NOT EXISTS share_order (
    share_version_id bigint NOT NULL REFERENCES share_version,
    part_order_id bigint NOT NULL REFERENCES part_order,
    centre text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    hours double precision NOT NULL CHECK (hours >= 0),
    -- when it is ready, if all goes as said; the same in all rows of an order
    ready_time timestamptz,
    -- codes with values: why then and there
    reasons jsonb NOT NULL,
    PRIMARY KEY (share_version_id, part_order_id, centre, from_time)
);

CREATE INDEX IF NOT EXISTS share_order_of ON share_order (part_order_id);

-- What is cut from what: all parts of one material and thickness that a centre cuts in a period.
CREATE TABLE IF NOT EXISTS nest (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_time timestamptz NOT NULL,
    centre text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    material text NOT NULL,
    thickness_mm double precision NOT NULL,
    state text NOT NULL CHECK (state IN ('proposed', 'released', 'cut', 'withdrawn', 'superseded')),
    state_time timestamptz NOT NULL,
    actor text NOT NULL DEFAULT '',
    -- nest-problem/1 and nest/1 files; null once they are forgotten
    problem text,
    nest text,
    -- utilisation by each metric, areas, sheets, parts, parts left
    figures jsonb NOT NULL,
    seconds double precision NOT NULL,
    -- what it was made from: a nest of the same is not made again
    basis text NOT NULL,
    CHECK ((problem IS NULL) = (nest IS NULL))
);

CREATE INDEX IF NOT EXISTS nest_standing ON nest (centre, from_time) WHERE state IN ('proposed', 'released');

CREATE TABLE IF NOT EXISTS nest_part (
    nest_id bigint NOT NULL REFERENCES nest ON DELETE CASCADE,
    part_order_id bigint NOT NULL REFERENCES part_order,
    pieces integer NOT NULL CHECK (pieces >= 1),
    PRIMARY KEY (nest_id, part_order_id)
);

CREATE INDEX IF NOT EXISTS nest_part_of ON nest_part (part_order_id);

CREATE TABLE IF NOT EXISTS nest_sheet (
    nest_id bigint NOT NULL REFERENCES nest ON DELETE CASCADE,
    -- layout of the nest, from 1
    place integer NOT NULL CHECK (place >= 1),
    stock_sheet_id bigint NOT NULL REFERENCES stock_sheet,
    copies integer NOT NULL CHECK (copies >= 1),
    -- width and height in mm of what goes back into stock of each copy
    remnants jsonb NOT NULL,
    PRIMARY KEY (nest_id, place)
);

CREATE INDEX IF NOT EXISTS nest_sheet_of ON nest_sheet (stock_sheet_id);

CREATE OR REPLACE VIEW v_part_orders AS
SELECT received_time AS time, number, factory, part, kind, quantity, material, thickness_mm, hours, earliest_time, due_time, priority,
    for_order, state, state_time, released, made, source, actor, id
FROM part_order;

CREATE OR REPLACE VIEW v_stock_sheets AS
SELECT added_time AS time, name, width_mm, height_mm, material, thickness_mm, grain_deg, quantity, reserved, remnant, place, origin_nest_id,
    changed_time, actor, id
FROM stock_sheet;

CREATE OR REPLACE VIEW v_nests AS
SELECT made_time AS time, centre, from_time, to_time, material, thickness_mm, state, state_time, actor, figures, seconds, id FROM nest;

CREATE OR REPLACE VIEW v_shares AS
SELECT v.made_time AS time, v.rule, o.part_order_id, p.number AS part_order, p.factory, o.centre, o.from_time, o.to_time, o.hours,
    o.ready_time, p.due_time, o.reasons, v.id AS share_version_id
FROM share_order o JOIN share_version v ON v.id = o.share_version_id JOIN part_order p ON p.id = o.part_order_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_part_orders, v_stock_sheets, v_nests, v_shares TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
