-- Who follows events asks for those of a source behind a number: of one source they appear in the order of their numbers.

CREATE INDEX IF NOT EXISTS event_source ON event (source_id, id);
