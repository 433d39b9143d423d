create table if not exists bronze.{table} {on_cluster}
(
{columns}
    _load_id LowCardinality(String) comment 'bronze.loads says whether it counts',
    _row_number UInt64 comment 'data row of the file, from 1' codec(DoubleDelta, LZ4),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {engine}
order by (_load_id, _row_number);
