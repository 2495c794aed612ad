-- Most samples have no flag, so a COPY leaves the column out.

ALTER TABLE sample ALTER COLUMN flags SET DEFAULT 0;
