-- Requests per channel and state at this moment.
select
    channel,
    state,
    count() as request_count
from silver.int_requests__located
group by channel, state
order by channel, state
