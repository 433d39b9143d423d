-- Letters of which something was read, placed or decided after a moment.
with
    changed as (
        select
            letter_id,
            _ingested_at
        from bronze.extractions
        union all
        select
            subject_id as letter_id,
            _ingested_at
        from bronze.geocodes
        where subject_kind = 'letter'
        union all
        select
            subject_id as letter_id,
            _ingested_at
        from bronze.corrections
        where subject_kind = 'letter'
    )

select distinct letter_id
from changed
where _ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
limit {limit:UInt64}
