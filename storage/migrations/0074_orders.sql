-- What customers ordered, the job orders that it became (one for each serial), and what was promised of it when.

CREATE TABLE IF NOT EXISTS customer_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- the customer's or the ERP's own number; the same number again is the same order
    number text NOT NULL UNIQUE CHECK (number <> ''),
    customer text NOT NULL,
    product text NOT NULL CHECK (product <> ''),
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
    due_time timestamptz,
    -- no sooner than this: material, drawings
    release_time timestamptz,
    -- 1 to 9; 9 matters most
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 9),
    received_time timestamptz NOT NULL,
    note text NOT NULL,
    -- rest, file or person
    source text NOT NULL,
    actor text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'cancelled')),
    state_time timestamptz NOT NULL,
    changed_time timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS customer_order_open ON customer_order (id) WHERE state = 'open';

-- ISA-95: a job order; its name is what equipment and the history call the order
CREATE TABLE IF NOT EXISTS job_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    customer_order_id bigint NOT NULL REFERENCES customer_order,
    place integer NOT NULL CHECK (place >= 1),
    serial text NOT NULL UNIQUE CHECK (serial <> ''),
    -- the route it is made by, where somebody decided; empty: the planner chooses
    alternatives text[] NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'started', 'done', 'scrapped', 'cancelled')),
    state_time timestamptz NOT NULL,
    started_time timestamptz,
    ended_time timestamptz,
    -- whether the plant said so; else it was taken to be done as planned
    reported boolean NOT NULL DEFAULT false,
    -- why it is in no plan; empty: it is, or will be
    problem text NOT NULL DEFAULT '',
    UNIQUE (customer_order_id, place)
);

CREATE INDEX IF NOT EXISTS job_order_open ON job_order (id) WHERE state IN ('waiting', 'started');

-- Only added to, so that what was promised first can be held against what came.
CREATE TABLE IF NOT EXISTS order_promise (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_order_id bigint NOT NULL REFERENCES customer_order,
    time timestamptz NOT NULL,
    plan_version_id bigint,
    planned_end timestamptz NOT NULL,
    -- by these times it is ready with 50, 80 and 95 % probability
    ready_50 timestamptz NOT NULL,
    ready_80 timestamptz NOT NULL,
    ready_95 timestamptz NOT NULL,
    -- that it is ready by its due time; null where it has none
    due_probability double precision CHECK (due_probability BETWEEN 0 AND 1),
    -- quantiles of the end in seconds since 1970, and how many orders that ended they were calibrated by
    quantiles double precision[] NOT NULL,
    calibrated_by integer NOT NULL,
    newest boolean NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS order_promise_newest ON order_promise (customer_order_id) WHERE newest;

CREATE INDEX IF NOT EXISTS order_promise_of ON order_promise (customer_order_id, id);

CREATE OR REPLACE VIEW v_customer_orders AS
SELECT o.received_time AS time, o.number, o.customer, o.product, o.quantity, o.due_time, o.release_time, o.priority, o.state, o.state_time,
    o.note, o.source, o.actor, p.planned_end, p.ready_50, p.ready_80, p.ready_95, p.due_probability,
    (SELECT count(*) FROM job_order j WHERE j.customer_order_id = o.id AND j.state = 'done') AS done,
    (SELECT max(j.ended_time) FROM job_order j WHERE j.customer_order_id = o.id) AS ended_time, o.id
FROM customer_order o LEFT JOIN order_promise p ON p.customer_order_id = o.id AND p.newest;

CREATE OR REPLACE VIEW v_job_orders AS
SELECT o.received_time AS time, j.name AS job_order, o.number AS customer_order, o.customer, o.product, j.place, j.serial, j.alternatives,
    o.release_time, o.due_time, o.priority, j.state, j.state_time, j.started_time, j.ended_time, j.reported, j.problem, j.id
FROM job_order j JOIN customer_order o ON o.id = j.customer_order_id;

CREATE OR REPLACE VIEW v_order_promises AS
SELECT p.time, o.number AS customer_order, p.planned_end, p.ready_50, p.ready_80, p.ready_95, p.due_probability, p.calibrated_by, p.newest,
    p.plan_version_id, p.id
FROM order_promise p JOIN customer_order o ON o.id = p.customer_order_id;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_customer_orders, v_job_orders, v_order_promises TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
