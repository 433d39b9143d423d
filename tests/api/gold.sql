create table gold.dim_areas (area_code String, area_name String, level UInt8, parent_code String, population Nullable(UInt64),
  address_point_count UInt64, area_km2 Float64, geometry_wkt String, geometry_geojson String,
  min_longitude Float64, min_latitude Float64, max_longitude Float64, max_latitude Float64) engine = MergeTree order by area_code;

create table gold.dim_facilities (facility_id String, facility_name String, facility_kind LowCardinality(String), street String, housenumber String,
  postcode String, city String, longitude Float64, latitude Float64, area_code String) engine = MergeTree order by facility_id;

create table gold.dim_facility_kinds (facility_kind LowCardinality(String), label String, weight Float64, distance_km Float64,
  max_distance_km Float64, facility_count UInt64) engine = MergeTree order by facility_kind;

create table gold.fct_requests (request_id String, channel LowCardinality(String), state LowCardinality(String), facility_kind LowCardinality(String),
  requested_on Date32, language LowCardinality(String), precision LowCardinality(String), longitude Float64, latitude Float64,
  uncertainty_m Nullable(Float64), area_code String, area_codes Array(String), h3_cell UInt64, nearest_facility_id Nullable(String),
  nearest_facility_distance_km Nullable(Float64), evidence_score Nullable(Float64), is_corrected Bool, received_at DateTime64(3, 'UTC'),
  located_at DateTime64(3, 'UTC'), _ingested_at DateTime64(3, 'UTC')) engine = MergeTree order by request_id;

create table gold.mart_coverage_by_area (area_code String, area_name String, facility_kind LowCardinality(String), address_point_count UInt64,
  covered_address_point_count UInt64, coverage_share Nullable(Float64), covered_population Nullable(Float64), population Nullable(UInt64),
  request_count UInt64, median_distance_km Nullable(Float64)) engine = MergeTree order by (area_code, facility_kind);

create table gold.mart_facility_catchments (facility_id String, facility_kind LowCardinality(String), facility_name String, longitude Float64,
  latitude Float64, address_point_count UInt64, mean_distance_km Nullable(Float64), max_distance_km Nullable(Float64), request_count UInt64)
  engine = MergeTree order by facility_id;

create table gold.mart_underserved_areas (area_code String, area_name String, facility_kind LowCardinality(String), coverage_share Float64,
  population Nullable(UInt64), uncovered_population Nullable(Float64), request_count UInt64, need_rank UInt64)
  engine = MergeTree order by (facility_kind, need_rank);

create table gold.mart_request_trends (month_date Date32, area_code String, facility_kind LowCardinality(String), channel LowCardinality(String),
  request_count UInt64) engine = MergeTree order by (month_date, area_code, facility_kind, channel);

create table gold.mart_extraction_quality (extractor LowCardinality(String), model LowCardinality(String), language LowCardinality(String),
  letter_count UInt64, read_count UInt64, unreadable_count UInt64, failed_count UInt64, mean_street_score Nullable(Float64), located_share Float64,
  review_share Float64) engine = MergeTree order by (extractor, model, language);

create table gold.mart_geocoding_health (geocoder LowCardinality(String), precision LowCardinality(String), geocode_count UInt64, share Float64,
  mean_similarity Float64, provisional_share Float64) engine = MergeTree order by (geocoder, precision);

create table gold.mart_upload_tracking (upload_id String, purpose LowCardinality(String), dataset LowCardinality(String), file_name String,
  state LowCardinality(String), landed_rows UInt64, rejected_rows UInt64, received_at DateTime64(3, 'UTC')) engine = MergeTree order by upload_id;

create table gold.mart_requests_by_cell (h3_cell String, resolution UInt8, longitude Float64, latitude Float64, request_count UInt64)
  engine = MergeTree order by (resolution, h3_cell);

create table gold.fct_extractions (extraction_id String, letter_id String, is_latest Bool, letter_state LowCardinality(String))
  engine = MergeTree order by extraction_id;

create table silver.int_letters__evidence (letter_id String, extraction_id String, geocode_id String, is_schema_complete UInt8,
  is_postcode_city_agreeing UInt8, is_house_known UInt8, is_street_in_text UInt8, candidate_margin Float64, reader_score Float64,
  agreement_score Float64, sender_score Float64, street_similarity Float64, evidence_score Float64, state String, precision String,
  longitude Nullable(Float64), latitude Nullable(Float64), uncertainty_m Nullable(Float64), address_id String, reason String)
  engine = MergeTree order by letter_id;

insert into gold.dim_areas select
  leftPad(toString(number), 4, '0') as area_code, concat('Area "', toString(number), '", north') as area_name, if(number % 10 = 0, 6, 8) as level,
  if(number % 10 = 0, '', leftPad(toString(intDiv(number, 10) * 10), 4, '0')) as parent_code, if(number % 7 = 0, null, number * 100) as population,
  number as address_point_count, 1.5 as area_km2,
  format('MULTIPOLYGON((({0} 47,{1} 47,{1} 48,{0} 47)))', toString(9 + number / 100), toString(9.01 + number / 100)) as geometry_wkt,
  format('{{"type":"MultiPolygon","coordinates":[[[[{0},47],[{1},47],[{1},48],[{0},47]]]]}}', toString(9 + number / 100), toString(9.01 + number / 100)),
  9 + number / 100, 47, 9.01 + number / 100, 48
from numbers(37);

insert into gold.dim_facilities select
  concat('node-', toString(number)) as facility_id, concat('Facility ', toString(number)), ['pharmacy', 'school', 'bus_stop'][number % 3 + 1],
  'Main street', toString(number), '7001', 'Lindenau', 9 + number / 100, 47 + number / 100, leftPad(toString(number), 4, '0')
from numbers(23);

insert into gold.dim_facility_kinds values ('pharmacy', 'Pharmacy', 1, 1.5, 5, 8), ('school', 'School', 1, 1.5, 5, 8),
  ('bus_stop', 'Bus stop', 1, 0.4, 1.5, 7), ('library', 'Library', 0.5, 3, 10, 0);

insert into gold.fct_requests select
  lower(hex(MD5(toString(number)))) as request_id, ['letter', 'web', 'phone'][number % 3 + 1], if(number % 5 = 0, 'approximate', 'located'), 'pharmacy',
  toDate32('2026-01-01') + number, 'de', if(number % 5 = 0, 'street', 'house'), 9 + number / 100 as longitude, 47 + number / 100 as latitude, 10,
  leftPad(toString(number), 4, '0') as area_code, [leftPad(toString(intDiv(number, 10) * 10), 4, '0'), area_code],
  geoToH3(latitude, longitude, 9), 'node-0', 1.25, 90, number % 4 = 0,
  toDateTime64('2026-02-01 00:00:00', 3, 'UTC') + intDiv(number, 3), toDateTime64('2026-02-02 00:00:00', 3, 'UTC'),
  toDateTime64('2026-02-02 00:00:00', 3, 'UTC')
from numbers(61);

insert into gold.mart_coverage_by_area select
  area_code, area_name, facility_kind, address_point_count, intDiv(address_point_count, 2), if(address_point_count < 20, null, 0.5), null, population, 3, 0.7
from gold.dim_areas cross join gold.dim_facility_kinds;

insert into gold.mart_facility_catchments select
  facility_id, facility_kind, facility_name, longitude, latitude, 10, 0.5, 1.5, 2 from gold.dim_facilities;

insert into gold.mart_underserved_areas select
  area_code, area_name, facility_kind, 0.5, population, population * 0.5, 3, row_number() over (partition by facility_kind order by area_code)
from gold.mart_coverage_by_area where coverage_share < 1;

insert into gold.mart_request_trends select
  toStartOfMonth(requested_on), if(twice.number % 2, '', area_code), 'pharmacy', channel, count()
from gold.fct_requests cross join numbers(2) as twice group by 1, 2, 3, 4;

insert into gold.mart_extraction_quality values ('ocr', 'latin', 'de', 40, 38, 2, 0, 0.96, 0.9, 0.05), ('ocr', 'latin', 'en', 3, 0, 3, 0, null, 0, 1);

insert into gold.mart_geocoding_health values ('register', 'house', 36, 0.9, 0.98, 0.25), ('register', 'none', 4, 0.1, 0.2, 0);

insert into gold.mart_upload_tracking select
  lower(hex(SHA256(toString(number)))), 'dataset', 'facilities', 'f.csv', 'loaded', 10, 1, toDateTime64('2026-02-01 00:00:00', 3, 'UTC') + intDiv(number, 2)
from numbers(9);

insert into gold.mart_requests_by_cell select
  h3ToString(geoToH3(latitude, longitude, 6)) as h3_cell, 6, any(fct_requests.longitude), any(fct_requests.latitude), count() + 5
from gold.fct_requests group by h3_cell;

insert into gold.builds values (1, 'published', 'f', 1, 40, 60, '', toDateTime64('2026-02-02 00:00:00', 3, 'UTC'), toDateTime64('2026-02-02 00:00:05', 3, 'UTC'));

create table gold.mart_proximity_scores (address_id String, longitude Float64, latitude Float64, area_code String, h3_cell UInt64,
  proximity_score Float64) engine = MergeTree order by address_id;

insert into gold.mart_proximity_scores select concat('a-', toString(number)), 9 + number / 1000, 47, if(number % 2, '0001', ''), 1, number
from numbers(23);
