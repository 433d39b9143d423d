-- The newest thousand: a look at each of millions of objects belongs to a nightly check, not to a status.
select object_key
from bronze.uploads
where state = 'stored'
order by received_at desc
limit 1 by object_key
limit 1000
