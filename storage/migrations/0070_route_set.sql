-- What the optimizer learns from: products and their features, process networks version by version, current routes, the history of
-- operations; and what it works at.

CREATE TABLE IF NOT EXISTS product (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text NOT NULL UNIQUE,
    family text NOT NULL,
    -- by the name of the feature: a number, or a text
    features jsonb NOT NULL,
    added_time timestamptz NOT NULL,
    changed_time timestamptz NOT NULL
);

-- A network that was stored stays as it was; another content is another version, and the newest is in force.
CREATE TABLE IF NOT EXISTS process_network (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version integer NOT NULL UNIQUE,
    name text NOT NULL,
    sha256 text NOT NULL,
    content text NOT NULL,
    actor text NOT NULL,
    time timestamptz NOT NULL,
    in_force boolean NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS process_network_in_force ON process_network (in_force) WHERE in_force;

-- The same as rows, for those who ask by SQL; the content above is what counts.
CREATE TABLE IF NOT EXISTS product_feature (
    network_id integer NOT NULL REFERENCES process_network ON DELETE CASCADE,
    position integer NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (network_id, name)
);

CREATE TABLE IF NOT EXISTS process_operation (
    network_id integer NOT NULL REFERENCES process_network ON DELETE CASCADE,
    position integer NOT NULL,
    operation text NOT NULL,
    stage text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (network_id, operation)
);

CREATE TABLE IF NOT EXISTS operation_alternative (
    network_id integer NOT NULL REFERENCES process_network ON DELETE CASCADE,
    position integer NOT NULL,
    alternative text NOT NULL,
    operation text NOT NULL,
    work_unit text NOT NULL,
    program text NOT NULL,
    tool text NOT NULL,
    parameters jsonb NOT NULL,
    fixed_cost double precision NOT NULL,
    PRIMARY KEY (network_id, alternative)
);

CREATE TABLE IF NOT EXISTS route_rule (
    network_id integer NOT NULL REFERENCES process_network ON DELETE CASCADE,
    position integer NOT NULL,
    rule text NOT NULL,
    text text NOT NULL,
    content jsonb NOT NULL,
    PRIMARY KEY (network_id, rule)
);

CREATE TABLE IF NOT EXISTS process_route (
    network_id integer NOT NULL REFERENCES process_network ON DELETE CASCADE,
    route text NOT NULL,
    product text NOT NULL,
    alternatives text[] NOT NULL,
    PRIMARY KEY (network_id, route)
);

CREATE INDEX IF NOT EXISTS process_route_product ON process_route (network_id, product);

-- The hard limits of what may be recommended, each version whole as its file said it.
CREATE TABLE IF NOT EXISTS process_window_set (
    version integer PRIMARY KEY,
    sha256 text NOT NULL,
    content text NOT NULL,
    windows integer NOT NULL,
    actor text NOT NULL,
    time timestamptz NOT NULL,
    in_force boolean NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS process_window_set_in_force ON process_window_set (in_force) WHERE in_force;

-- By which route a product is made: what was current before stays.
CREATE TABLE IF NOT EXISTS current_route (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text NOT NULL,
    -- empty where no named route is meant
    route text NOT NULL,
    alternatives text[] NOT NULL,
    actor text NOT NULL,
    time timestamptz NOT NULL,
    newest boolean NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS current_route_newest ON current_route (product) WHERE newest;

-- Words of the history by number: its rows are short, since there may be 20 million.
CREATE TABLE IF NOT EXISTS history_product (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    word text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS history_operation (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    word text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS history_alternative (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    word text NOT NULL UNIQUE
);

-- Job orders, serial numbers, and who decided.
CREATE TABLE IF NOT EXISTS history_word (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    word text NOT NULL UNIQUE
);

-- The place of a parameter in a row's parameters, from 1.
CREATE TABLE IF NOT EXISTS history_parameter (
    place integer PRIMARY KEY,
    word text NOT NULL UNIQUE
);

-- One row for each operation done. It is no hypertable: its key is order, operation and serial, and a hypertable's key holds the time.
-- Numbers rise in the order in which rows can be seen: those who write take turns.
CREATE TABLE IF NOT EXISTS operation_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_time timestamptz NOT NULL,
    product_id integer NOT NULL,
    operation_id integer NOT NULL,
    alternative_id integer NOT NULL,
    order_id integer,
    serial_id integer,
    decided_by_id integer,
    duration_min real NOT NULL,
    rework_min real,
    energy_kwh real,
    wear real,
    propensity real,
    first_pass boolean NOT NULL,
    scrapped boolean NOT NULL,
    parameters real[]
);

CREATE UNIQUE INDEX IF NOT EXISTS operation_history_key ON operation_history (order_id, operation_id, serial_id)
    WHERE order_id IS NOT NULL AND serial_id IS NOT NULL;

-- without order or serial, the same product at the same time by the same alternative is the same operation
CREATE UNIQUE INDEX IF NOT EXISTS operation_history_weak_key ON operation_history
    (started_time, alternative_id, product_id, coalesce(order_id, 0), coalesce(serial_id, 0))
    WHERE order_id IS NULL OR serial_id IS NULL;

CREATE INDEX IF NOT EXISTS operation_history_product ON operation_history (product_id, started_time);

CREATE INDEX IF NOT EXISTS operation_history_time ON operation_history USING brin (started_time);

-- What the optimizer was asked to do, does, and did: a page shows it as it stands.
CREATE TABLE IF NOT EXISTS optimizer_job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    -- waiting, running, done, failed
    state text NOT NULL,
    actor text NOT NULL,
    asked_time timestamptz NOT NULL,
    started_time timestamptz,
    updated_time timestamptz,
    ended_time timestamptz,
    -- 0 to 1, and what it is at
    share real NOT NULL,
    step text NOT NULL,
    tries integer NOT NULL,
    request jsonb NOT NULL,
    answer jsonb,
    problem text NOT NULL
);

CREATE INDEX IF NOT EXISTS optimizer_job_open ON optimizer_job (id) WHERE state IN ('waiting', 'running');

CREATE INDEX IF NOT EXISTS optimizer_job_subject ON optimizer_job (kind, subject, id DESC);

-- Alternatives whose measured values moved away from what was predicted.
CREATE TABLE IF NOT EXISTS optimizer_drift (
    alternative text NOT NULL,
    measure text NOT NULL,
    version text NOT NULL,
    found_time timestamptz NOT NULL,
    -- measured by predicted
    ratio double precision NOT NULL,
    rows bigint NOT NULL,
    ended_time timestamptz,
    PRIMARY KEY (alternative, measure, version)
);

-- How far the optimizer is: the last row of the history that it judged.
CREATE TABLE IF NOT EXISTS optimizer_mark (
    name text PRIMARY KEY,
    mark bigint NOT NULL,
    state jsonb NOT NULL,
    updated_time timestamptz NOT NULL
);

CREATE OR REPLACE VIEW v_process_networks AS
SELECT n.version, n.name, n.in_force, n.time, n.actor, n.sha256,
    (SELECT count(*) FROM process_operation o WHERE o.network_id = n.id) AS operations,
    (SELECT count(*) FROM operation_alternative a WHERE a.network_id = n.id) AS alternatives,
    (SELECT count(*) FROM process_route r WHERE r.network_id = n.id) AS routes
FROM process_network n;

CREATE OR REPLACE VIEW v_products AS
SELECT p.product, p.family, p.features, c.route AS current_route, c.alternatives AS current_alternatives, p.added_time, p.changed_time
FROM product p LEFT JOIN current_route c ON c.product = p.product AND c.newest;

CREATE OR REPLACE VIEW v_product_features AS
SELECT p.product, p.family, d.name AS feature, d.unit,
    CASE WHEN jsonb_typeof(p.features -> d.name) = 'number' THEN (p.features ->> d.name)::double precision END AS value,
    CASE WHEN jsonb_typeof(p.features -> d.name) = 'string' THEN p.features ->> d.name END AS text
FROM product p CROSS JOIN product_feature d JOIN process_network n ON n.id = d.network_id AND n.in_force
WHERE p.features ? d.name;

-- ISA-95: an operation of a work master, with the equipment that can do it
CREATE OR REPLACE VIEW v_operation_alternatives AS
SELECT n.version AS network_version, o.stage, o.operation, o.name AS operation_name, a.alternative, a.work_unit, a.program, a.tool,
    a.parameters, a.fixed_cost
FROM process_network n JOIN operation_alternative a ON a.network_id = n.id
    JOIN process_operation o ON o.network_id = n.id AND o.operation = a.operation
WHERE n.in_force;

-- ISA-95: a work master is the template of how a product is made
CREATE OR REPLACE VIEW v_work_masters AS
SELECT n.version AS network_version, r.route AS work_master, r.product, r.alternatives,
    coalesce(c.route = r.route, false) AS is_current
FROM process_network n JOIN process_route r ON r.network_id = n.id LEFT JOIN current_route c ON c.product = r.product AND c.newest
WHERE n.in_force;

CREATE OR REPLACE VIEW v_route_rules AS
SELECT n.version AS network_version, r.rule, r.text, r.content
FROM process_network n JOIN route_rule r ON r.network_id = n.id
WHERE n.in_force;

CREATE OR REPLACE VIEW v_process_window_sets AS
SELECT w.version, w.in_force, w.time, w.actor, w.windows, w.sha256, w.content FROM process_window_set w;

CREATE OR REPLACE VIEW v_current_routes AS
SELECT c.time, c.product, c.route, c.alternatives, c.actor, c.newest FROM current_route c;

CREATE OR REPLACE VIEW v_operation_history AS
SELECT h.started_time AS time, job.word AS job_order, piece.word AS serial, p.word AS product, o.word AS operation, a.word AS alternative,
    n.work_unit, n.program, h.duration_min, h.first_pass, h.rework_min, h.scrapped, h.energy_kwh, h.wear, h.propensity,
    who.word AS decided_by,
    (SELECT jsonb_object_agg(k.word, h.parameters[k.place]) FROM history_parameter k WHERE h.parameters[k.place] IS NOT NULL)
        AS parameters,
    h.id
FROM operation_history h JOIN history_product p ON p.id = h.product_id JOIN history_operation o ON o.id = h.operation_id
    JOIN history_alternative a ON a.id = h.alternative_id LEFT JOIN history_word job ON job.id = h.order_id
    LEFT JOIN history_word piece ON piece.id = h.serial_id LEFT JOIN history_word who ON who.id = h.decided_by_id
    LEFT JOIN operation_alternative n ON n.alternative = a.word
        AND n.network_id = (SELECT w.id FROM process_network w WHERE w.in_force);

CREATE OR REPLACE VIEW v_optimizer_jobs AS
SELECT id, kind, subject, state, actor, asked_time, started_time, updated_time, ended_time, share, step, tries, problem FROM optimizer_job;

CREATE OR REPLACE VIEW v_optimizer_drift AS
SELECT alternative, measure, version, found_time, ratio, rows, ended_time FROM optimizer_drift;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_process_networks, v_products, v_product_features, v_operation_alternatives, v_work_masters, v_route_rules,
            v_process_window_sets, v_current_routes, v_operation_history, v_optimizer_jobs, v_optimizer_drift TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
