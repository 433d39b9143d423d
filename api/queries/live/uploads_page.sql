-- Uploads, the newest first; a refused file that came again is listed each time, a registration done twice once. Twice as many as
-- asked for are taken before that, which spares sorting all of them.
with
    matching as (
        select
            upload_id,
            received_at
        from bronze.uploads
        where
            (
                {has_after:UInt8} = 0
                or (received_at, upload_id) < (fromUnixTimestamp64Milli({after_received_at:Int64}, 'UTC'), {after_upload_id:String})
            )
            and ({purpose:String} = '' or purpose = {purpose:String})
            and ({dataset:String} = '' or dataset = {dataset:String})
        order by received_at desc, upload_id desc
        limit 2 * ({limit:UInt64} + {offset:UInt64})
    )

select distinct
    upload_id,
    received_at
from matching
order by received_at desc, upload_id desc
limit {limit:UInt64} offset {offset:UInt64}
