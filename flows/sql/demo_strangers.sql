-- Newest loads of datasets whose file is not one of the demo's.
select
    dataset,
    argMax(upload_id, generation) as newest_upload_id
from bronze.loads
where state = 'loaded'
group by dataset
having newest_upload_id not in {demo_upload_ids:Array(String)}
order by dataset
