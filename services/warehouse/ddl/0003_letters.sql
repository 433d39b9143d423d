create table if not exists bronze.letters {on_cluster}
(
    letter_id String comment 'hash of the ordered pages: the same pages are the same letter',
    pages Array(Tuple(upload_id String, page UInt32)),
    file_name String,
    door LowCardinality(String),
    received_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by letter_id
settings index_granularity = 512;

create table if not exists bronze.extractions {on_cluster}
(
    extraction_id String,
    letter_id String,
    extractor LowCardinality(String) comment 'ocr or vision',
    extractor_version LowCardinality(String),
    model LowCardinality(String),
    outcome LowCardinality(String) comment 'read, unreadable or failed',
    sender_name String,
    street String,
    housenumber String,
    postcode String,
    city String,
    letter_date Nullable(Date32),
    language LowCardinality(String) comment 'ISO 639-1, empty when unknown',
    facility_kind LowCardinality(String) comment 'kind of facility asked for, empty when unknown',
    text String comment 'all that was read',
    street_score Float64 comment 'reader''s score of the line with the street, 0 to 1',
    city_score Float64 comment 'reader''s score of the line with postcode and city, 0 to 1',
    agreement_score Float64 comment 'how well a second reading of the address lines agrees, 0 to 1',
    sender_score Float64 comment 'how clearly this block is the sender''s and no other''s, 0 to 1',
    address_page UInt32 comment 'page of the address block, from 1; 0 when none',
    address_box Array(Float64) comment 'left, top, right, bottom as shares of the upright page, 0 to 1',
    page_rotations Array(Int16) comment 'degrees by which each page was turned to stand upright, clockwise',
    raw String comment 'the reader''s whole answer, JSON',
    started_at DateTime64(3, 'UTC'),
    finished_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by (letter_id, finished_at, extraction_id)
settings index_granularity = 512;
