-- Since when something waits that the newest published build has not seen; null when it saw everything.
with
    (
        select max(generation)
        from bronze.build_journal
        where state = 'published'
    ) as newest,
    (
        select max(_ingested_at)
        from bronze.build_journal
        where state = 'started' and generation = newest
    ) as began_at,
    written as (
        select _ingested_at
        from bronze.uploads
        union all
        select _ingested_at
        from bronze.loads
        union all
        select _ingested_at
        from bronze.letters
        union all
        select _ingested_at
        from bronze.extractions
        union all
        select _ingested_at
        from bronze.geocodes
        union all
        select _ingested_at
        from bronze.submissions
        union all
        select _ingested_at
        from bronze.corrections
    )

select minOrNull(_ingested_at) as since
from written
where _ingested_at > began_at
