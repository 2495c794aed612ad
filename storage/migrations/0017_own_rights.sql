-- What a gateway may do only in one way, with the owner's rights: make a partition for samples, and end a takeover's gap that was filled.

CREATE OR REPLACE FUNCTION make_partition(parent text, child text, from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $make$
BEGIN
    IF parent NOT IN ('sample', 'rollup_1s', 'rollup_1m', 'rollup_1h') OR child !~ ('^' || parent || '_\d{8}_\d{4}_\d+$') THEN
        RAISE EXCEPTION 'no partition of ours: % of %', child, parent USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, from_time, to_time);
END
$make$;

CREATE OR REPLACE FUNCTION end_takeover_gap(which bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $end$
    DELETE FROM gap WHERE id = which AND reason = 'takeover' AND count <= 0
$end$;

REVOKE ALL ON FUNCTION make_partition(text, text, timestamptz, timestamptz), end_takeover_gap(bigint) FROM public;
