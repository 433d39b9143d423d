-- Work keys of all whose newest answer is provisional, in groups, so that no row is large. A letter that was read anew since is placed
-- anew anyway, if there was an address to read.
with
provisional as (
    select distinct subject_id
    from bronze.geocodes
    where is_provisional = 1
),

newest_extractions as (
    select argMax(extraction_id, tuple(finished_at, extraction_id)) as extraction_id
    from bronze.extractions
    where letter_id in (select subject_id from provisional)
    group by letter_id
),

subjects as (
    select
        if(correction_id != '', concat('correction:', correction_id), concat(subject_kind, ':', subject_id)) as work_key,
        argMax(tuple(is_provisional, extraction_id), tuple(geocoded_at, is_provisional = 0, geocode_id)) as newest
    from bronze.geocodes
    where subject_id in (select subject_id from provisional)
    group by work_key
    having newest.1 = 1 and (newest.2 = '' or newest.2 in (select extraction_id from newest_extractions))
)

select groupArray(work_key) as subjects
from subjects
group by cityHash64(work_key) % 1000
