-- When the newest backup was complete; no row when there is none.
select finished_at
from bronze.step_outcomes
where step = 'backup' and state = 'done'
order by finished_at desc
limit 1
