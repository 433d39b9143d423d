-- One row per dataset: the newest generation that is loaded.
select
    dataset,
    max(generation) as newest_generation,
    argMax(load_id, generation) as newest_load_id
from bronze.loads
where state = 'loaded'
group by dataset
order by dataset
