-- The dataset's newest generation (0: none yet), and whether another process took this load for dead.
select
    max(generation) as generation,
    countIf(load_id = {load_id:String} and state = 'failed') > 0 as is_buried
from bronze.loads
where dataset = {dataset:String}
