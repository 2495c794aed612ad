-- Pictures that were looked at, by the sha256 of their bytes, and what was found in them. The pictures themselves lie on disk.

CREATE TABLE IF NOT EXISTS picture (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    kind text NOT NULL,
    bytes bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    stored_time timestamptz NOT NULL,
    keep_until timestamptz NOT NULL,
    -- what goes first when the disk budget is used up: 0 OK, 1 not decidable, 2 review, 3 not OK, 4 labelled by a person
    rank smallint NOT NULL,
    gone_time timestamptz
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS picture_to_go ON picture (keep_until) WHERE gone_time IS NULL;
CREATE INDEX IF NOT EXISTS picture_order ON picture (rank, stored_time) WHERE gone_time IS NULL;

CREATE TABLE IF NOT EXISTS inspection (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256 bytea NOT NULL REFERENCES picture,
    station text NOT NULL,
    view text NOT NULL,
    part text NOT NULL,
    taken_time timestamptz NOT NULL,
    stored_time timestamptz NOT NULL,
    subject text NOT NULL,
    model_sha256 text NOT NULL,
    calibration text NOT NULL,
    decision text NOT NULL,
    findings jsonb NOT NULL,
    reasons jsonb NOT NULL,
    latency_us bigint NOT NULL,
    uncertainty real NOT NULL,
    -- judged by a candidate model beside the one in charge; decides nothing
    shadow boolean NOT NULL,
    -- of the grey values: by these the input of a view is watched for drift
    brightness real NOT NULL,
    sharpness real NOT NULL,
    white_percent real NOT NULL,
    answered boolean NOT NULL DEFAULT false,
    UNIQUE (sha256, station, view, part, subject, model_sha256, calibration, shadow)
) WITH (fillfactor = 90);

CREATE INDEX IF NOT EXISTS inspection_newest ON inspection (taken_time DESC, id DESC);
CREATE INDEX IF NOT EXISTS inspection_part ON inspection (part, taken_time DESC) WHERE part <> '';
CREATE INDEX IF NOT EXISTS inspection_view ON inspection (station, view, id DESC);
CREATE INDEX IF NOT EXISTS inspection_calibration ON inspection (station, view, calibration, id);
CREATE INDEX IF NOT EXISTS inspection_to_review ON inspection (uncertainty DESC, id DESC)
    WHERE decision IN ('review', 'not_decidable') AND NOT answered AND NOT shadow;
