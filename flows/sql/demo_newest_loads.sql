-- File of the newest generation of each dataset.
select
    dataset,
    argMax(upload_id, generation) as upload_id
from bronze.loads
where state = 'loaded'
group by dataset
order by dataset
