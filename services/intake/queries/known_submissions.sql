-- Which of these submissions have their row already.
select distinct submission_id as id
from bronze.submissions
where submission_id in {ids:Array(String)}
