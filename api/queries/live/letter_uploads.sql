-- Which letter each upload of the list became; letters registered before the oldest of them cannot hold it.
select
    arrayJoin(pages.upload_id) as upload_id,
    letter_id
from bronze.letters
where
    _ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    and hasAny(pages.upload_id, {ids:Array(String)})
    and upload_id in {ids:Array(String)}
limit 1 by upload_id
