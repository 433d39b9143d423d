-- Which files are loaded, into which dataset and how; whether a later load replaced them does not matter.
select distinct
    upload_id,
    dataset,
    mode
from bronze.loads
where state = 'loaded'
