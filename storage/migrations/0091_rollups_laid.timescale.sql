-- Rollups may be packed too: a signal over weeks lies together then, and takes a seventh of the room. Upkeep packs what is over
-- (storage/chunks.py); a policy could not, for it must end where refreshing begins.

ALTER MATERIALIZED VIEW rollup_1s SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = 'signal_id', timescaledb.orderby = 'bucket');

ALTER MATERIALIZED VIEW rollup_1m SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = 'signal_id', timescaledb.orderby = 'bucket');
