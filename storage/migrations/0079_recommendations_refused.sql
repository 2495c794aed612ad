-- A recommendation that is delivered follows its delivery: our own gate may refuse it, and a controller that took it may find that it cannot
-- carry it out.

CREATE OR REPLACE FUNCTION recommendation_guard() RETURNS trigger LANGUAGE plpgsql AS
'DECLARE
    next text[] := CASE old.stage
        WHEN ''proposed'' THEN ARRAY[''approved'', ''declined'', ''expired'']
        WHEN ''approved'' THEN ARRAY[''sent'', ''refused'', ''executed'', ''declined'', ''expired'']
        WHEN ''sent'' THEN ARRAY[''accepted'', ''refused'', ''in_doubt'', ''expired'']
        WHEN ''in_doubt'' THEN ARRAY[''accepted'', ''refused'', ''executed'', ''rolled_back'', ''expired'']
        WHEN ''accepted'' THEN ARRAY[''executed'', ''refused'', ''in_doubt'', ''rolled_back'', ''expired'']
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
