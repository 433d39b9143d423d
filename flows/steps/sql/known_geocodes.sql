-- Answers of these subjects that have one of these ids, or were given for good by the same register.
select distinct
    geocode_id,
    subject_id,
    extraction_id,
    correction_id,
    is_provisional
from bronze.geocodes
where
    subject_id in {subject_ids:Array(String)}
    and (
        geocode_id in {geocode_ids:Array(String)}
        or (is_provisional = 0 and register_generation = {generation:UInt64})
    )
