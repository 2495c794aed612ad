-- Control charts: what is charted, its points, the limits of each phase, what is out of control, and what people say of it.

CREATE TABLE IF NOT EXISTS chart (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    chart_group text NOT NULL,
    name text NOT NULL,
    equipment text NOT NULL,
    kind text NOT NULL,
    unit text NOT NULL,
    origin text NOT NULL,
    spindle integer,
    program integer,
    subgroup integer NOT NULL,
    phase_1 integer NOT NULL,
    low double precision,
    high double precision,
    target double precision,
    rule_set text NOT NULL,
    tool boolean NOT NULL,
    retired boolean NOT NULL DEFAULT false
);

-- value: what is plotted of the place, spread: of the spread (of a cusum the sum downwards); mean: of the subgroup.
-- size: parts in the subgroup. rules: which rules the point violates, of the place and of the spread.
CREATE TABLE IF NOT EXISTS chart_point (
    chart_id bigint NOT NULL REFERENCES chart,
    number bigint NOT NULL,
    time timestamptz NOT NULL,
    phase integer NOT NULL,
    mean double precision NOT NULL,
    value double precision,
    spread double precision,
    size integer NOT NULL,
    low double precision,
    high double precision,
    values double precision[] NOT NULL,
    rules text[] NOT NULL DEFAULT '{}',
    spread_rules text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (chart_id, number)
);

CREATE INDEX IF NOT EXISTS chart_point_time ON chart_point (chart_id, time);

-- Limits: estimated from the points first_number to last_number, then frozen. asked_by: who wanted them anew.
CREATE TABLE IF NOT EXISTS chart_phase (
    chart_id bigint NOT NULL REFERENCES chart,
    phase integer NOT NULL,
    from_number bigint NOT NULL,
    time timestamptz NOT NULL,
    first_number bigint NOT NULL,
    last_number bigint NOT NULL,
    points integer NOT NULL,
    center double precision NOT NULL,
    sigma double precision NOT NULL,
    point_sigma double precision NOT NULL,
    low double precision,
    high double precision,
    spread_center double precision,
    spread_low double precision,
    spread_high double precision,
    asked_by text NOT NULL DEFAULT '',
    PRIMARY KEY (chart_id, phase)
);

CREATE TABLE IF NOT EXISTS chart_violation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chart_id bigint NOT NULL REFERENCES chart,
    number bigint NOT NULL,
    part text NOT NULL,
    rule text NOT NULL,
    rule_set text NOT NULL,
    time timestamptz NOT NULL,
    value double precision NOT NULL,
    low double precision,
    high double precision,
    UNIQUE (chart_id, number, part, rule)
);

CREATE INDEX IF NOT EXISTS chart_violation_time ON chart_violation (time);

-- The newest judgement of each chart; indices is a list of {name, value, low, high, method, n, enough}.
CREATE TABLE IF NOT EXISTS chart_capability (
    chart_id bigint PRIMARY KEY REFERENCES chart,
    number bigint NOT NULL,
    time timestamptz NOT NULL,
    n bigint NOT NULL,
    mean double precision NOT NULL,
    sigma_within double precision,
    sigma_overall double precision,
    outside bigint NOT NULL,
    normality double precision,
    indices jsonb NOT NULL
) WITH (fillfactor = 50);

-- What a person says of a point. leave_out: its cause is known, limits made anew shall not count it.
CREATE TABLE IF NOT EXISTS chart_note (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chart_id bigint NOT NULL REFERENCES chart,
    number bigint NOT NULL,
    time timestamptz NOT NULL,
    actor text NOT NULL,
    cause text NOT NULL,
    comment text NOT NULL,
    leave_out boolean NOT NULL
);

CREATE INDEX IF NOT EXISTS chart_note_point ON chart_note (chart_id, number);

-- Limits that a person wants made anew from the points up to one. The notes that count are those before the wish.
CREATE TABLE IF NOT EXISTS chart_wish (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chart_id bigint NOT NULL REFERENCES chart,
    number bigint NOT NULL,
    note_id bigint NOT NULL,
    time timestamptz NOT NULL,
    actor text NOT NULL,
    answer text
);

CREATE OR REPLACE VIEW v_chart_points AS
SELECT
    c.key AS chart, c.name, c.equipment, c.kind, c.unit, p.number, p.time, p.phase, p.mean, p.value, p.spread, p.size,
    coalesce(p.low, h.low) AS low, h.center, coalesce(p.high, h.high) AS high, h.spread_low, h.spread_center, h.spread_high,
    p.rules, p.spread_rules
FROM chart_point p JOIN chart c ON c.id = p.chart_id LEFT JOIN chart_phase h ON h.chart_id = p.chart_id AND h.phase = p.phase;

CREATE OR REPLACE VIEW v_chart_violations AS
SELECT c.key AS chart, c.name, c.equipment, v.number, v.time, v.part, v.rule, v.rule_set, v.value, v.low, v.high, c.unit
FROM chart_violation v JOIN chart c ON c.id = v.chart_id;

CREATE OR REPLACE VIEW v_capability AS
SELECT
    c.key AS chart, c.name, c.equipment, c.unit, c.low, c.high, c.target, k.time, k.n, k.mean, k.sigma_within, k.sigma_overall, k.outside,
    k.normality, i.name AS index, i.value, i.low AS index_low, i.high AS index_high, i.method, i.n AS index_n, i.enough
FROM chart_capability k JOIN chart c ON c.id = k.chart_id
CROSS JOIN LATERAL jsonb_to_recordset(k.indices) AS i (
    name text, value double precision, low double precision, high double precision, method text, n bigint, enough boolean
);

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_chart_points, v_chart_violations, v_capability TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
