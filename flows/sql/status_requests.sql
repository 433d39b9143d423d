select
    channel,
    state,
    count() as request_count
from gold.fct_requests
group by channel, state
order by channel, state
