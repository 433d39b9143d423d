create table if not exists bronze.loads {on_cluster}
(
    load_id String,
    upload_id String,
    dataset LowCardinality(String),
    contract_version String,
    mode LowCardinality(String) comment 'replace, append or upsert',
    generation UInt64 comment 'rises by one with each load of the dataset that succeeded; 0 until then',
    state LowCardinality(String) comment 'started, loaded or failed: the newest row of a load counts',
    received_rows UInt64,
    landed_rows UInt64,
    rejected_rows UInt64,
    unknown_columns Array(String),
    message String,
    asked_at DateTime64(3, 'UTC') default started_at comment 'when somebody wanted the load: decides what comes after what',
    started_at DateTime64(3, 'UTC'),
    finished_at Nullable(DateTime64(3, 'UTC')),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {engine}
order by (dataset, load_id, _ingested_at);

create table if not exists bronze.rejected_rows {on_cluster}
(
    load_id String,
    dataset LowCardinality(String),
    row_number UInt64 comment 'data row, from 1',
    line_number UInt64 comment 'line of the file, from 1',
    line String comment 'as received',
    column_name String,
    reason String,
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {engine}
order by (load_id, row_number);
