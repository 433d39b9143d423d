-- The newest published build; no row before the first.
select
    generation,
    fingerprint,
    toUnixTimestamp64Milli(started_at) as started_ms
from gold.builds
where state = 'published'
order by generation desc, finished_at desc
limit 1
