create table if not exists bronze.uploads {on_cluster}
(
    upload_id String comment 'SHA-256 of the bytes, hexadecimal',
    purpose LowCardinality(String) comment 'letter or dataset',
    dataset LowCardinality(String) comment 'empty for letters',
    file_name String,
    media_type LowCardinality(String),
    byte_count UInt64,
    page_count UInt32,
    object_key String comment 'empty when refused',
    state LowCardinality(String) comment 'stored or refused',
    refusal_reason String,
    door LowCardinality(String) comment 'api, cli, portal or demo',
    received_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by (upload_id, received_at)
settings index_granularity = 512;
