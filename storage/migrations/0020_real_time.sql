-- Whether the thread that reads a source goes before all others: yes, not permitted, or not asked for (null).

ALTER TABLE source_state ADD COLUMN IF NOT EXISTS real_time boolean;
