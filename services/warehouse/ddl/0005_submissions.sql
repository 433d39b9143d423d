create table if not exists bronze.submissions {on_cluster}
(
    submission_id String,
    channel LowCardinality(String) comment 'web or phone',
    requester_name String,
    contact String,
    street String,
    housenumber String,
    postcode String,
    city String,
    facility_kind LowCardinality(String),
    message String,
    longitude Nullable(Float64) comment 'position that the sender gave, if any',
    latitude Nullable(Float64),
    object_key String,
    received_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by submission_id
settings index_granularity = 512;

create table if not exists bronze.corrections {on_cluster}
(
    correction_id String,
    subject_kind LowCardinality(String) comment 'letter or submission',
    subject_id String,
    action LowCardinality(String) comment 'accept, correct, place, reject or reopen',
    sender_name Nullable(String),
    street Nullable(String),
    housenumber Nullable(String),
    postcode Nullable(String),
    city Nullable(String),
    letter_date Nullable(Date32),
    facility_kind Nullable(String),
    longitude Nullable(Float64) comment 'only with place',
    latitude Nullable(Float64),
    reviewer String,
    note String,
    object_key String,
    corrected_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by (subject_id, corrected_at, correction_id)
settings index_granularity = 512;
