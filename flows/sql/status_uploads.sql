select
    purpose,
    dataset,
    state,
    uniqExact(upload_id) as upload_count
from bronze.uploads
group by purpose, dataset, state
order by purpose, dataset, state
