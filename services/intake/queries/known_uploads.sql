-- Which of these uploads have their row already; the same bytes may be refused as a letter and stored as a dataset.
select distinct concat(state, '/', purpose, '/', upload_id) as id
from bronze.uploads
where upload_id in {ids:Array(String)}
