-- When the list's requests came into gold, and when the build that brought them was published.
with
    rows as (
        select
            request_id,
            _ingested_at as in_gold_at
        from gold.fct_requests
        where request_id in {ids:Array(String)}
    ),

    builds as (
        select finished_at
        from gold.builds
        where state = 'published'
    )

select
    rows.request_id as request_id,
    rows.in_gold_at as in_gold_at,
    minIf(builds.finished_at, builds.finished_at >= rows.in_gold_at) as on_map_at,
    countIf(builds.finished_at >= rows.in_gold_at) as build_count
from rows
cross join builds
group by
    rows.request_id,
    rows.in_gold_at
