-- Work keys of all that was placed with an older register, in groups, so that no row is large.
with
subjects as (
    select
        if(correction_id != '', concat('correction:', correction_id), concat(subject_kind, ':', subject_id)) as work_key,
        max(register_generation) as newest_generation
    from bronze.geocodes
    group by work_key
    having newest_generation < {generation:UInt64}
)

select groupArray(work_key) as subjects
from subjects
group by cityHash64(work_key) % 1000
