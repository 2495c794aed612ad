-- What was remembered of the states of all equipment at some times, one an hour: where history may be judged again from.

CREATE TABLE IF NOT EXISTS state_checkpoint (
    at_us bigint PRIMARY KEY,
    state bytea NOT NULL
);
