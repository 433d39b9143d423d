select
    if(extractions.outcome = '', 'waiting to be read', extractions.outcome) as outcome,
    uniqExact(letters.letter_id) as letter_count
from bronze.letters as letters
left join (
    select
        letter_id,
        argMax(outcome, tuple(finished_at, extraction_id)) as outcome
    from bronze.extractions
    group by letter_id
) as extractions on extractions.letter_id = letters.letter_id
group by outcome
order by outcome
