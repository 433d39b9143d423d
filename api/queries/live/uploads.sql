-- Each receipt of the list's uploads, as it was received.
select
    upload_id,
    purpose,
    dataset,
    file_name,
    media_type,
    byte_count,
    page_count,
    state,
    refusal_reason,
    door,
    received_at,
    _ingested_at as registered_at
from bronze.uploads
where upload_id in {ids:Array(String)}
order by _ingested_at
limit 1 by upload_id, received_at
