-- What the optimizer learned, so that the next one begins with it: the newest predictors, numbers and names only.

CREATE TABLE IF NOT EXISTS optimizer_predictor (
    version text PRIMARY KEY,
    made_time timestamptz NOT NULL,
    -- what it was learned from and with; predicts for that alone
    shape text NOT NULL,
    basis jsonb NOT NULL,
    content bytea NOT NULL
);

CREATE INDEX IF NOT EXISTS optimizer_predictor_newest ON optimizer_predictor (made_time DESC);
