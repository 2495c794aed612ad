-- Recommendations: each kept whole as it was made, with the stage it is in and everything that ever happened to it.
-- The stage machine is kept here, so that no process can take a short cut: only a person (or a policy that one enabled) approves.

CREATE TABLE IF NOT EXISTS recommendation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text NOT NULL,
    family text NOT NULL,
    -- recommended, keep_current or not_enough_evidence; only the first is something to decide
    answer text NOT NULL CHECK (answer IN ('recommended', 'keep_current', 'not_enough_evidence')),
    made_time timestamptz NOT NULL,
    valid_until timestamptz,
    model_version text NOT NULL,
    -- who asked for it; empty: the optimizer by itself
    asked_by text NOT NULL,
    -- the request of a new product or design change that it answers
    request_id bigint,
    route text[] NOT NULL,
    against text NOT NULL,
    gain_mean double precision,
    gain_low double precision,
    gain_high double precision,
    cost_mean double precision,
    duration_mean double precision,
    first_pass_mean double precision,
    -- the whole item of a recommendations/1 file
    document jsonb NOT NULL,
    stage text CHECK (stage IN ('proposed', 'approved', 'declined', 'sent', 'accepted', 'refused', 'expired', 'in_doubt', 'executed',
        'measured', 'rolled_back')),
    stage_time timestamptz NOT NULL,
    stage_actor text NOT NULL DEFAULT '',
    stage_reason text NOT NULL DEFAULT '',
    stage_note text NOT NULL DEFAULT '',
    superseded_by bigint REFERENCES recommendation,
    CHECK ((answer = 'recommended') = (stage IS NOT NULL))
);

CREATE UNIQUE INDEX IF NOT EXISTS recommendation_open ON recommendation (product) WHERE stage = 'proposed';

CREATE INDEX IF NOT EXISTS recommendation_product ON recommendation (product, id DESC);

CREATE INDEX IF NOT EXISTS recommendation_stage ON recommendation (stage, id DESC);

-- what happened to each, in order; only added to
CREATE TABLE IF NOT EXISTS recommendation_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recommendation_id bigint NOT NULL REFERENCES recommendation,
    time timestamptz NOT NULL,
    before text,
    after text,
    actor text NOT NULL,
    reason text NOT NULL,
    note text NOT NULL
);

CREATE INDEX IF NOT EXISTS recommendation_change_of ON recommendation_change (recommendation_id, id);

CREATE OR REPLACE FUNCTION recommendation_guard() RETURNS trigger LANGUAGE plpgsql AS
'DECLARE
    next text[] := CASE old.stage
        WHEN ''proposed'' THEN ARRAY[''approved'', ''declined'', ''expired'']
        WHEN ''approved'' THEN ARRAY[''sent'', ''executed'', ''declined'', ''expired'']
        WHEN ''sent'' THEN ARRAY[''accepted'', ''refused'', ''in_doubt'', ''expired'']
        WHEN ''in_doubt'' THEN ARRAY[''accepted'', ''refused'', ''executed'', ''rolled_back'', ''expired'']
        WHEN ''accepted'' THEN ARRAY[''executed'', ''in_doubt'', ''rolled_back'', ''expired'']
        WHEN ''executed'' THEN ARRAY[''measured'', ''rolled_back'']
        WHEN ''measured'' THEN ARRAY[''rolled_back'']
        ELSE ARRAY[]::text[] END;
BEGIN
    IF (new.product, new.answer, new.made_time, new.model_version, new.asked_by, new.route, new.document)
        IS DISTINCT FROM (old.product, old.answer, old.made_time, old.model_version, old.asked_by, old.route, old.document) THEN
        RAISE EXCEPTION ''a recommendation is never changed, only its stage'';
    END IF;
    IF new.stage IS DISTINCT FROM old.stage THEN
        IF new.stage IS NULL OR NOT new.stage = ANY (next) THEN
            RAISE EXCEPTION ''a recommendation that is % cannot become %'', old.stage, new.stage USING ERRCODE = ''check_violation'';
        END IF;
        IF new.stage IN (''approved'', ''declined'') AND new.stage_actor = '''' THEN
            RAISE EXCEPTION ''a recommendation is approved or declined by somebody'' USING ERRCODE = ''check_violation'';
        END IF;
        IF new.stage IN (''declined'', ''refused'') AND new.stage_reason = '''' THEN
            RAISE EXCEPTION ''a recommendation is declined for a reason'' USING ERRCODE = ''check_violation'';
        END IF;
        IF new.stage = ''approved'' AND new.stage_actor = old.asked_by THEN
            RAISE EXCEPTION ''who asked for a recommendation does not approve it'' USING ERRCODE = ''check_violation'';
        END IF;
        IF new.stage = ''approved'' AND new.stage_time > old.valid_until THEN
            RAISE EXCEPTION ''this recommendation is not valid any more'' USING ERRCODE = ''check_violation'';
        END IF;
    END IF;
    RETURN new;
END';

CREATE OR REPLACE FUNCTION recommendation_told() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF TG_OP = ''INSERT'' THEN
        INSERT INTO recommendation_change (recommendation_id, time, before, after, actor, reason, note)
        VALUES (new.id, new.stage_time, NULL, new.stage, new.asked_by, '''', '''');
    ELSIF new.stage IS DISTINCT FROM old.stage THEN
        INSERT INTO recommendation_change (recommendation_id, time, before, after, actor, reason, note)
        VALUES (new.id, new.stage_time, old.stage, new.stage, new.stage_actor, new.stage_reason, new.stage_note);
    END IF;
    RETURN NULL;
END';

CREATE OR REPLACE FUNCTION recommendation_begin() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN
    IF new.stage IS NOT NULL AND new.stage <> ''proposed'' THEN
        RAISE EXCEPTION ''a recommendation begins as proposed'' USING ERRCODE = ''check_violation'';
    END IF;
    RETURN new;
END';

DROP TRIGGER IF EXISTS recommendation_begin ON recommendation;

CREATE TRIGGER recommendation_begin BEFORE INSERT ON recommendation FOR EACH ROW EXECUTE FUNCTION recommendation_begin();

DROP TRIGGER IF EXISTS recommendation_guard ON recommendation;

CREATE TRIGGER recommendation_guard BEFORE UPDATE ON recommendation FOR EACH ROW EXECUTE FUNCTION recommendation_guard();

DROP TRIGGER IF EXISTS recommendation_told ON recommendation;

CREATE TRIGGER recommendation_told AFTER INSERT OR UPDATE ON recommendation FOR EACH ROW EXECUTE FUNCTION recommendation_told();

CREATE OR REPLACE FUNCTION recommendation_is_final() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''recommendations and what happened to them are never taken away''; END';

DROP TRIGGER IF EXISTS recommendation_change_is_final ON recommendation_change;

CREATE TRIGGER recommendation_change_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON recommendation_change
FOR EACH STATEMENT EXECUTE FUNCTION recommendation_is_final();

-- what an executed recommendation really brought, per order, as measured so far; the newest row of each counts
CREATE TABLE IF NOT EXISTS recommendation_gain (
    recommendation_id bigint NOT NULL REFERENCES recommendation,
    time timestamptz NOT NULL,
    orders bigint NOT NULL,
    operations bigint NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    gain_mean double precision NOT NULL,
    gain_low double precision,
    gain_high double precision,
    PRIMARY KEY (recommendation_id, time)
);

-- models that predicted, by the hash of what they learned
CREATE TABLE IF NOT EXISTS route_model (
    version text PRIMARY KEY,
    made_time timestamptz NOT NULL,
    operations bigint NOT NULL,
    products bigint NOT NULL,
    from_time timestamptz,
    to_time timestamptz,
    figures jsonb NOT NULL
);

-- how many of what was measured lay inside the 90 % intervals predicted before
CREATE TABLE IF NOT EXISTS prediction_coverage (
    time timestamptz NOT NULL,
    model_version text NOT NULL,
    operation text NOT NULL,
    family text NOT NULL,
    measure text NOT NULL,
    n bigint NOT NULL,
    inside bigint NOT NULL CHECK (inside BETWEEN 0 AND n),
    width_mean double precision,
    PRIMARY KEY (model_version, operation, family, measure, time)
);

CREATE INDEX IF NOT EXISTS prediction_coverage_newest ON prediction_coverage (time DESC);

-- features in, a route out: asked by people and programs, answered by the optimizer
CREATE TABLE IF NOT EXISTS new_product (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL,
    asked_by text NOT NULL,
    product text NOT NULL,
    family text NOT NULL,
    features jsonb NOT NULL,
    design_change_id bigint,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'answered', 'failed')),
    answered_time timestamptz,
    -- an item of a recommendations/1 file
    answer jsonb,
    problem text NOT NULL DEFAULT '',
    model_version text NOT NULL DEFAULT '',
    recommendation_id bigint REFERENCES recommendation,
    CHECK ((state = 'answered') = (answer IS NOT NULL))
);

CREATE INDEX IF NOT EXISTS new_product_waiting ON new_product (id) WHERE state = 'waiting';

-- writes over REST that carried a key: asked again they give the same answer and do nothing
CREATE TABLE IF NOT EXISTS write_key (
    actor text NOT NULL,
    key text NOT NULL,
    time timestamptz NOT NULL,
    act text NOT NULL,
    print bytea NOT NULL,
    answer jsonb,
    PRIMARY KEY (actor, key)
);

CREATE INDEX IF NOT EXISTS write_key_time ON write_key (time);

CREATE OR REPLACE VIEW v_recommendations AS
SELECT r.made_time AS time, r.product, r.family, r.answer, r.stage, r.stage_time, r.stage_actor, r.stage_reason, r.stage_note, r.route,
    r.against, r.gain_mean, r.gain_low, r.gain_high, g.gain_mean AS realised_mean, g.gain_low AS realised_low,
    g.gain_high AS realised_high, g.orders AS realised_orders, r.cost_mean, r.duration_mean, r.first_pass_mean, r.valid_until,
    r.model_version, r.asked_by, r.superseded_by, r.document, r.id
FROM recommendation r
LEFT JOIN LATERAL (SELECT * FROM recommendation_gain w WHERE w.recommendation_id = r.id ORDER BY w.time DESC LIMIT 1) g ON true;

CREATE OR REPLACE VIEW v_recommendation_stages AS
SELECT c.time, r.product, c.before, c.after, c.actor, c.reason, c.note, c.recommendation_id, c.id
FROM recommendation_change c JOIN recommendation r ON r.id = c.recommendation_id;

CREATE OR REPLACE VIEW v_recommendation_gains AS
SELECT g.time, r.product, r.gain_mean AS predicted_mean, r.gain_low AS predicted_low, r.gain_high AS predicted_high,
    g.gain_mean AS realised_mean, g.gain_low AS realised_low, g.gain_high AS realised_high, g.orders, g.operations, g.from_time, g.to_time,
    r.model_version, g.recommendation_id
FROM recommendation_gain g JOIN recommendation r ON r.id = g.recommendation_id;

CREATE OR REPLACE VIEW v_route_models AS
SELECT m.made_time AS time, m.version, m.operations, m.products, m.from_time, m.to_time, m.figures FROM route_model m;

CREATE OR REPLACE VIEW v_prediction_coverage AS
SELECT c.time, c.model_version, c.operation, c.family, c.measure, c.n, c.inside, c.inside::double precision / nullif(c.n, 0) AS coverage,
    c.width_mean
FROM prediction_coverage c;

CREATE OR REPLACE VIEW v_new_products AS
SELECT p.time, p.product, p.family, p.features, p.asked_by, p.state, p.answered_time, p.answer, p.problem, p.recommendation_id,
    p.model_version, p.design_change_id, p.id
FROM new_product p;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_recommendations, v_recommendation_stages, v_recommendation_gains, v_route_models, v_prediction_coverage,
            v_new_products TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
