-- One row in a hundred changes: half of them say something else, a quarter goes, and as many come.
insert into gold_next.fct_requests
select * replace (if(cityHash64(request_id) % 200 = 0, 'approximate changed', state) as state)
from gold.fct_requests
where cityHash64(request_id) % 400 != 1
union all
select * replace (lower(hex(SHA256(request_id))) as request_id)
from gold.fct_requests
where cityHash64(request_id) % 400 = 1
