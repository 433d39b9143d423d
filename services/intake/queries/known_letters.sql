-- Which of these letters have their row already.
select distinct letter_id as id
from bronze.letters
where letter_id in {ids:Array(String)}
