-- Every row with an earlier _ingested_at is visible now: an insert that still runs stamps its rows after it began. One second for clocks.
select
    least(
        now64(3, 'UTC'),
        coalesce(min(now64(3, 'UTC') - toIntervalMillisecond(toUInt64(elapsed * 1000))), now64(3, 'UTC'))
    ) - toIntervalSecond(1) as seen_until
from system.processes
where query_kind in ('Insert', 'AsyncInsertFlush')
