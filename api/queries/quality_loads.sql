-- One row per upload with what landed and what was rejected, the newest first.
select
    upload_id,
    purpose,
    dataset,
    file_name,
    state,
    landed_rows,
    rejected_rows,
    received_at
from gold.mart_upload_tracking
where
    (
        {has_after:UInt8} = 0
        or (received_at, upload_id) < (fromUnixTimestamp64Milli({after_received_at:Int64}, 'UTC'), {after_upload_id:String})
    )
    and ({dataset:String} = '' or dataset = {dataset:String})
order by received_at desc, upload_id desc
limit {limit:UInt64} offset {offset:UInt64}
