-- One row per letter of the list, as it was received.
select
    letter_id,
    file_name,
    pages.upload_id as upload_ids,
    pages.page as page_numbers,
    door,
    received_at,
    _ingested_at as registered_at
from bronze.letters
where letter_id in {ids:Array(String)}
order by received_at, _ingested_at
limit 1 by letter_id
