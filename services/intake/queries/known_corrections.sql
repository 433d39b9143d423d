-- Which of these corrections have their row already.
select distinct correction_id as id
from bronze.corrections
where correction_id in {ids:Array(String)}
