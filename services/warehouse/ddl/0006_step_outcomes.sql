create table if not exists bronze.step_outcomes {on_cluster}
(
    outcome_id String,
    run_id String,
    step LowCardinality(String),
    state LowCardinality(String) comment 'done or failed',
    counts Map(LowCardinality(String), UInt64),
    message String,
    started_at DateTime64(3, 'UTC'),
    finished_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {engine}
order by (step, finished_at);

create table if not exists gold.builds {on_cluster}
(
    generation UInt64,
    state LowCardinality(String) comment 'published or failed',
    fingerprint String comment 'of models, seeds and dataset generations: another one means a full refresh',
    is_full_refresh UInt8,
    model_count UInt32,
    test_count UInt32,
    message String,
    started_at DateTime64(3, 'UTC'),
    finished_at DateTime64(3, 'UTC')
)
engine = {engine}
order by (generation, finished_at);
