-- Letters with evidence about which a person decided.
with
    decided as (
        select
            subject_id,
            argMax(action, (corrected_at, correction_id)) as last_action
        from bronze.corrections
        where subject_kind = 'letter'
        group by subject_id
        having last_action != 'reopen'
    )

select letter_id
from silver.int_letters__evidence
where letter_id in (select subject_id from decided)
