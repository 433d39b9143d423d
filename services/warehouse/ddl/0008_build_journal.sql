create table if not exists bronze.build_journal {on_cluster}
(
    generation UInt64,
    state LowCardinality(String) comment 'started, publishing, published or failed: the newest row of a generation counts',
    fingerprint String comment 'as in gold.builds',
    changed_after DateTime64(3, 'UTC') comment 'the build computes again what has a row ingested after this moment',
    seen_until DateTime64(3, 'UTC') comment 'all rows ingested before this moment were visible to the build',
    inputs String comment 'rows and mutations of each bronze table at the start, JSON',
    tables String comment 'UUID of each table to be exchanged, JSON: tells after a crash which were',
    public_row String comment 'what gold.builds is to say of the build once it is published, JSON',
    started_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {engine}
order by (generation, _ingested_at);
