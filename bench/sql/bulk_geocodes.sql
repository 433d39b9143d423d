-- The answers to bulk_submissions.sql: each found to the house.
insert into bronze.geocodes
(
    geocode_id, subject_kind, subject_id, extraction_id, correction_id, geocoder, geocoder_version, register_generation, query_street,
    query_housenumber, query_postcode, query_city, precision, address_id, matched_street, matched_housenumber, matched_postcode,
    matched_city, longitude, latitude, uncertainty_m, street_similarity, street_edits, city_similarity, is_postcode_equal,
    is_housenumber_equal, candidate_margin, candidates, raw, geocoded_at
)
with
(
    select groupArray(tuple(street, housenumber, postcode, city, longitude, latitude, address_id)) from silver.int_addresses__normalized
) as register
select
    concat('bulk-', toString(number)),
    'submission',
    concat('bulk-', toString(number)),
    '',
    '',
    'register',
    '1',
    1,
    register[address].1,
    register[address].2,
    register[address].3,
    register[address].4,
    'house',
    register[address].7,
    register[address].1,
    register[address].2,
    register[address].3,
    register[address].4,
    register[address].5,
    register[address].6,
    10,
    1,
    0,
    1,
    1,
    1,
    1,
    '[]',
    '',
    toDateTime64('2026-01-01 00:00:00', 3, 'UTC')
from (select number, cityHash64(number) % length(register) + 1 as address from numbers({count:UInt64}))
