create table if not exists bronze.geocodes {on_cluster}
(
    geocode_id String,
    subject_kind LowCardinality(String) comment 'letter or submission',
    subject_id String comment 'letter_id or submission_id',
    extraction_id String comment 'the extraction that was placed; empty for submissions and corrections',
    correction_id String comment 'the correction that was placed; empty otherwise',
    geocoder LowCardinality(String) comment 'register or nominatim',
    geocoder_version LowCardinality(String),
    register_generation UInt64 comment 'generation of address_points that was asked',
    query_street String,
    query_housenumber String,
    query_postcode String,
    query_city String,
    precision LowCardinality(String) comment 'house, street, postcode, city or none',
    address_id String comment 'matched register entry; empty unless precision is house',
    matched_street String,
    matched_housenumber String,
    matched_postcode String,
    matched_city String,
    longitude Nullable(Float64),
    latitude Nullable(Float64),
    uncertainty_m Nullable(Float64) comment 'radius in metres within which the true place lies if the match is right',
    street_similarity Float64 comment '0 to 1 between the street read and the street matched',
    street_edits UInt16 comment 'Damerau-Levenshtein edits between the two, normalized',
    city_similarity Float64 comment '0 to 1',
    is_postcode_equal UInt8,
    is_housenumber_equal UInt8,
    candidate_margin Float64 comment 'similarity of the best candidate minus that of the best other place, 0 to 1',
    candidates String comment 'best candidates with their similarities, JSON array',
    raw String comment 'the geocoder''s whole answer, JSON; empty for the register',
    geocoded_at DateTime64(3, 'UTC'),
    _ingested_at DateTime64(3, 'UTC') default now64(3, 'UTC'),
    index ingested_at_index _ingested_at type minmax granularity 1
)
engine = {engine}
order by (subject_id, geocoded_at, geocode_id)
settings index_granularity = 512;
