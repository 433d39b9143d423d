alter table bronze.extractions {on_cluster}
    add column if not exists is_fallback UInt8 default 0 comment 'another reader than the chosen one had to read it' after raw,
    add column if not exists problem LowCardinality(String) default ''
    comment 'what kept the chosen reader from a usable answer; empty when nothing did' after is_fallback;

create table if not exists bronze.extraction_attempts {on_cluster}
(
    attempt_id String,
    extraction_id String comment 'the extraction that came of it',
    letter_id String,
    run_id String,
    requested_model LowCardinality(String),
    returned_model LowCardinality(String) comment 'as the answer names it; empty when none came',
    prompt_version LowCardinality(String),
    outcome LowCardinality(String) comment 'ok, other_model, or what was wrong',
    is_cached UInt8 comment 'answered from the cache, at no cost',
    input_tokens UInt32,
    output_tokens UInt32,
    cost Float64 comment 'in the currency of the prices',
    latency_ms Float64,
    raw String comment 'the answer as it came',
    cache_key String comment 'the object that keeps the answer; empty when none does',
    started_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by (letter_id, extraction_id, started_at, attempt_id)
settings index_granularity = 512;
