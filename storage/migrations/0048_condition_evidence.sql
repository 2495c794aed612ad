-- From how many parts on an equipment has baselines, so that a page can say how much evidence is missing.
ALTER TABLE condition_state ADD COLUMN IF NOT EXISTS least_parts integer NOT NULL DEFAULT 0;
