-- When the bytes were last received.
select max(received_at) as received_at
from bronze.uploads
where upload_id = {upload_id:String} and state = 'stored'
having count() > 0
