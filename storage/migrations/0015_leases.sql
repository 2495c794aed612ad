-- Who reads which source: one gateway holds a source's lease, others stand by. By the server's clock alone.

CREATE TABLE IF NOT EXISTS gateway (
    spool uuid PRIMARY KEY,
    name text NOT NULL,
    return_us bigint NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- The key's second half lets a shipment hold off a takeover (FOR KEY SHARE) without holding off a renewal.
CREATE TABLE IF NOT EXISTS source_lease (
    source text PRIMARY KEY,
    epoch bigint NOT NULL,
    spool uuid NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    clean boolean NOT NULL DEFAULT false,
    UNIQUE (source, epoch)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS source_candidate (
    source text NOT NULL,
    spool uuid NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, spool)
) WITH (fillfactor = 50);

-- Each term of a source: whose, from which record of that spool on, from and until when. gap_id: what nobody has told of at its begin.
CREATE TABLE IF NOT EXISTS source_term (
    source text NOT NULL,
    epoch bigint NOT NULL,
    spool uuid NOT NULL,
    first_record bigint NOT NULL,
    from_us bigint NOT NULL,
    until_us bigint,
    gap_id bigint,
    fenced bigint NOT NULL DEFAULT 0,
    fenced_at timestamptz,
    PRIMARY KEY (source, epoch)
);

CREATE INDEX IF NOT EXISTS source_term_spool ON source_term (spool);

-- What is left of the gap of a takeover, by minute.
CREATE TABLE IF NOT EXISTS takeover_gap (
    source text NOT NULL,
    epoch bigint NOT NULL,
    minute timestamptz NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (source, epoch, minute)
);

-- Where each source stands behind its last stored record.
CREATE TABLE IF NOT EXISTS source_mark (
    source text PRIMARY KEY,
    end_us bigint NOT NULL,
    interval_us bigint NOT NULL,
    signals integer NOT NULL,
    open_minutes bigint[] NOT NULL,
    open_counts bigint[] NOT NULL
) WITH (fillfactor = 50);

CREATE OR REPLACE VIEW v_gateways AS
SELECT
    l.source, w.name AS gateway, l.epoch, l.taken_at, l.expires_at, l.expires_at > now() AS holds, w.return_us, w.seen_at,
    ARRAY(
        SELECT n.name FROM source_candidate c JOIN gateway n ON n.spool = c.spool
        WHERE c.source = l.source AND c.spool <> l.spool AND c.seen_at > now() - interval '15 seconds' ORDER BY n.name
    ) AS standby,
    (SELECT coalesce(sum(t.fenced), 0)::bigint FROM source_term t WHERE t.source = l.source) AS fenced
FROM source_lease l JOIN gateway w ON w.spool = l.spool;

DO $reader$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        GRANT SELECT ON v_gateways TO leadhand_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$reader$;
