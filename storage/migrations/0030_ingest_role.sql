-- A role for edge gateways: it registers its site, adds samples and their ledger, and reads nothing of people or history.
-- Give it to a login: GRANT leadhand_ingest TO gateway_1.

DO $ingest$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_ingest') THEN
        BEGIN
            CREATE ROLE leadhand_ingest NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'this account may not create roles: there is no leadhand_ingest';
                RETURN;
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO leadhand_ingest', current_schema());
    GRANT SELECT, INSERT, UPDATE ON equipment, source, signal, latest, spool, ledger, ledger_total, source_state,
        gateway, source_lease, source_candidate, source_term, takeover_gap, source_mark TO leadhand_ingest;
    GRANT DELETE ON source_candidate TO leadhand_ingest;
    GRANT INSERT ON sample, batch TO leadhand_ingest;
    IF to_regclass('rollup_due') IS NOT NULL THEN
        GRANT INSERT ON rollup_due TO leadhand_ingest;
    END IF;
    GRANT INSERT, SELECT, UPDATE (from_time, count) ON gap TO leadhand_ingest;
    GRANT SELECT ON tier_state, latest_now TO leadhand_ingest;
    GRANT SELECT, INSERT, UPDATE ON tightening, tightening_curve, tightening_trace TO leadhand_ingest;
    GRANT EXECUTE ON FUNCTION make_partition(text, text, timestamptz, timestamptz), end_takeover_gap(bigint) TO leadhand_ingest;
END
$ingest$;
