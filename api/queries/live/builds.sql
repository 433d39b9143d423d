-- The newest builds, published or failed.
select
    generation,
    state,
    is_full_refresh,
    model_count,
    test_count,
    message,
    started_at,
    finished_at
from gold.builds
order by finished_at desc
limit {limit:UInt64}
