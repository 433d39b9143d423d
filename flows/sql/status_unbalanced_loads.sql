select
    load_id,
    dataset,
    received_rows,
    landed_rows,
    rejected_rows
from bronze.loads
where state = 'loaded' and landed_rows + rejected_rows != received_rows
limit 1 by load_id
