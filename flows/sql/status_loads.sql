select
    dataset,
    state,
    generation,
    received_rows,
    landed_rows,
    rejected_rows,
    finished_at
from bronze.loads
order by dataset, _ingested_at desc
limit 1 by dataset
