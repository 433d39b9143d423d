insert into gold_next.fct_requests
select * replace (evidence_score + 1 as evidence_score)
from gold.fct_requests
