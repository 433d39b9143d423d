select
    generation,
    state,
    model_count,
    test_count,
    finished_at,
    message
from gold.builds
order by finished_at desc
limit 1
