-- Controllers that fetch their messages over REST: tokens that are good for some work units only, their signs of life, and which messages
-- were given out to them.

ALTER TABLE access_token ADD COLUMN IF NOT EXISTS work_units text[] NOT NULL DEFAULT '{}';

-- what a controller said last of itself; one row a work unit
CREATE TABLE IF NOT EXISTS delivery_beat (
    work_unit text PRIMARY KEY CHECK (work_unit <> ''),
    time timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    ai_off boolean NOT NULL,
    counter bigint,
    state text NOT NULL
);

-- a message that is not here was never given out over REST
CREATE TABLE IF NOT EXISTS delivery_fetch (
    delivery_number bigint PRIMARY KEY REFERENCES delivery,
    time timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> '')
);
