-- Answers of these subjects that have one of these ids, or that no provisional answer may take the place of (is_standing): those given
-- for good by the same register, and the newest given for good where it is a house of Nominatim's, which a new register does not change.
with
answers as (
    select
        geocode_id,
        subject_id,
        extraction_id,
        correction_id,
        is_provisional = 0 and (
            register_generation = {generation:UInt64}
            or (geocoder = 'nominatim' and precision = 'house' and geocode_id = argMaxIf(
                geocode_id, tuple(geocoded_at, geocode_id), is_provisional = 0
            ) over (partition by subject_id, extraction_id, correction_id))
        ) as is_standing
    from bronze.geocodes
    where subject_id in {subject_ids:Array(String)}
)

select distinct *
from answers
where is_standing or geocode_id in {geocode_ids:Array(String)}
