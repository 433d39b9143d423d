-- Letters in each state as of the newest build, those of the list left out.
select
    letter_state as state,
    count() as letter_count
from gold.fct_extractions
where is_latest and letter_id not in {ids:Array(String)}
group by letter_state
