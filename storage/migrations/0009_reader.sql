-- A role that may read the views and nothing else. Give it to a login: GRANT leadhand_reader TO grafana.

DO $reader$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadhand_reader') THEN
        BEGIN
            CREATE ROLE leadhand_reader NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'this account may not create roles: there is no leadhand_reader';
                RETURN;
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO leadhand_reader', current_schema());
    GRANT SELECT ON v_samples, v_latest, v_rollup_1s, v_rollup_1m, v_rollup_1h, v_ledger, v_gaps, v_sources TO leadhand_reader;
END
$reader$;
