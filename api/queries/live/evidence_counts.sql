-- Letters in each state of the evidence, those about which a person decided counted apart.
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

select
    multiIf(
        letter_id in (select subject_id from decided), 'decided',
        startsWith(reason, 'waiting:'), 'read',
        evidence.state
    ) as state,
    count() as letter_count
from silver.int_letters__evidence as evidence
group by state
