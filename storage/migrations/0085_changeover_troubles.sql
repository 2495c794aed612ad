-- A changeover that stopped half way is something that people must be told, too.

ALTER TABLE delivery_trouble DROP CONSTRAINT IF EXISTS delivery_trouble_kind_check;

ALTER TABLE delivery_trouble ADD CONSTRAINT delivery_trouble_kind_check
CHECK (kind IN ('heartbeat', 'counter', 'in_doubt', 'read_back', 'mode_drop', 'changeover'));
