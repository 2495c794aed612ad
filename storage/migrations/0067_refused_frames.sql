-- Files that came as pictures and were not taken, each with the reason; nothing of them was decoded.

CREATE TABLE IF NOT EXISTS refused_frame (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL,
    -- where it came from: a folder, a topic, a stream, the REST server
    came_from text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    bytes bigint NOT NULL,
    station text NOT NULL,
    view text NOT NULL,
    part text NOT NULL,
    reason jsonb NOT NULL,
    UNIQUE (sha256, name, time)
);

CREATE INDEX IF NOT EXISTS refused_frame_newest ON refused_frame (time DESC, id DESC);
