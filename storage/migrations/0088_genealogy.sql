-- Genealogy: material lots, sublots and pieces with a serial, and what is built into what. Rows are added; what was taken out keeps its row.

-- ISA-95: a material lot or sublot; a piece with a serial is a lot of one
CREATE TABLE IF NOT EXISTS genealogy_item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('serial', 'lot', 'sublot')),
    name text NOT NULL CHECK (name <> ''),
    -- material definition, as the ERP calls it
    material text NOT NULL DEFAULT '',
    supplier text NOT NULL DEFAULT '',
    -- number of the melt, of metals
    heat text NOT NULL DEFAULT '',
    certificate text NOT NULL DEFAULT '',
    quantity double precision CHECK (quantity >= 0),
    unit text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    told_time timestamptz NOT NULL,
    actor text NOT NULL,
    UNIQUE (name, kind)
);

CREATE INDEX IF NOT EXISTS genealogy_item_heat ON genealogy_item (heat) WHERE heat <> '';

CREATE TABLE IF NOT EXISTS genealogy_built_in (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    into_id bigint NOT NULL REFERENCES genealogy_item,
    component_id bigint NOT NULL REFERENCES genealogy_item,
    -- built_in: can be told apart and taken out again; made_from: consumed, as a plate by what is cut from it
    relation text NOT NULL CHECK (relation IN ('built_in', 'made_from')),
    -- where in it: boom, bolt circle, joint 12
    place text NOT NULL DEFAULT '',
    quantity double precision CHECK (quantity > 0),
    unit text NOT NULL DEFAULT '',
    built_time timestamptz NOT NULL,
    told_time timestamptz NOT NULL,
    work_unit text NOT NULL DEFAULT '',
    operation text NOT NULL DEFAULT '',
    job_order text NOT NULL DEFAULT '',
    -- the nest that it was cut by
    nest_id bigint,
    -- rest, file, nest
    source text NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    -- a piece that can be in one thing only; a lot may be in many
    single boolean NOT NULL,
    out_time timestamptz,
    out_actor text NOT NULL DEFAULT '',
    out_reason text NOT NULL DEFAULT '',
    CHECK (into_id <> component_id),
    CHECK ((out_time IS NULL) = (out_actor = ''))
);

CREATE INDEX IF NOT EXISTS genealogy_built_in_into ON genealogy_built_in (into_id);

CREATE INDEX IF NOT EXISTS genealogy_built_in_component ON genealogy_built_in (component_id);

CREATE UNIQUE INDEX IF NOT EXISTS genealogy_built_in_once ON genealogy_built_in (component_id, into_id, place, relation)
    WHERE out_time IS NULL;

CREATE UNIQUE INDEX IF NOT EXISTS genealogy_built_in_one_place ON genealogy_built_in (component_id) WHERE single AND out_time IS NULL;

-- Only taking out changes a row, once.
CREATE OR REPLACE FUNCTION genealogy_guard() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF TG_OP <> ''UPDATE'' THEN
        RAISE EXCEPTION ''what was built in is never forgotten'';
    END IF;
    IF old.out_time IS NOT NULL OR new.out_time IS NULL OR (to_jsonb(new) - ''out_time'' - ''out_actor'' - ''out_reason'')
        IS DISTINCT FROM (to_jsonb(old) - ''out_time'' - ''out_actor'' - ''out_reason'') THEN
        RAISE EXCEPTION ''what was built in is never changed: take it out'';
    END IF;
    RETURN new;
END';

CREATE OR REPLACE TRIGGER genealogy_built_in_stays BEFORE UPDATE OR DELETE ON genealogy_built_in
FOR EACH ROW EXECUTE FUNCTION genealogy_guard();

-- Serials that equipment told, each once: what is searched by a piece of a name. Kept by upkeep, from the marks below on.
CREATE TABLE IF NOT EXISTS genealogy_name (
    name text PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS genealogy_mark (
    source text PRIMARY KEY,
    mark bigint NOT NULL
);

-- By serial, where so far only time and equipment led.
CREATE INDEX IF NOT EXISTS operation_history_serial ON operation_history (serial_id) WHERE serial_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS state_interval_part ON state_interval (part, from_time) WHERE part <> '';

CREATE INDEX IF NOT EXISTS delivery_serial ON delivery ((document ->> 'serial')) WHERE document ? 'serial';

CREATE OR REPLACE VIEW v_material_lots AS
SELECT told_time AS time, kind, name, material, supplier, heat, certificate, quantity, unit, note, actor, id FROM genealogy_item;

CREATE OR REPLACE VIEW v_built_in AS
SELECT b.built_time AS time, i.kind AS into_kind, i.name AS into_name, c.kind AS component_kind, c.name AS component, c.material, c.heat,
    b.relation, b.place, b.quantity, b.unit, b.work_unit, b.operation, b.job_order, b.nest_id, b.source, b.actor,
    b.out_time, b.out_actor, b.out_reason, b.id
FROM genealogy_built_in b JOIN genealogy_item i ON i.id = b.into_id JOIN genealogy_item c ON c.id = b.component_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_material_lots, v_built_in TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
