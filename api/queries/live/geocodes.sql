-- The newest geocode of each extraction, submission and correction of the list's subjects.
select
    subject_id,
    geocode_id,
    extraction_id,
    correction_id,
    precision,
    address_id,
    longitude,
    latitude,
    uncertainty_m,
    street_edits,
    is_housenumber_equal,
    candidates,
    geocoded_at
from bronze.geocodes
where subject_id in {ids:Array(String)}
order by geocoded_at desc, geocode_id desc
limit 1 by subject_id, extraction_id, correction_id
