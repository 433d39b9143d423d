-- What changed after a moment, each subject once with its last change, the oldest change first; a page goes on after the last row of
-- the page before.
with
    changes as (
        select
            'letter' as kind,
            letter_id as id,
            _ingested_at as changed_at
        from bronze.letters
        union all
        select
            'letter' as kind,
            letter_id as id,
            _ingested_at as changed_at
        from bronze.extractions
        union all
        select
            subject_kind as kind,
            subject_id as id,
            _ingested_at as changed_at
        from bronze.geocodes
        union all
        select
            subject_kind as kind,
            subject_id as id,
            _ingested_at as changed_at
        from bronze.corrections
        union all
        select
            'submission' as kind,
            submission_id as id,
            _ingested_at as changed_at
        from bronze.submissions
        union all
        select
            'upload' as kind,
            upload_id as id,
            _ingested_at as changed_at
        from bronze.uploads
        union all
        select
            'upload' as kind,
            upload_id as id,
            _ingested_at as changed_at
        from bronze.loads
        union all
        select
            'build' as kind,
            toString(generation) as id,
            finished_at as changed_at
        from gold.builds
    )

select
    kind,
    id,
    max(changes.changed_at) as last_changed_at
from changes
where
    changes.changed_at > fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    and id != ''
group by
    kind,
    id
having
    {has_after:UInt8} = 0
    or (last_changed_at, kind, id)
    > (fromUnixTimestamp64Milli({after_last_changed_at:Int64}, 'UTC'), {after_kind:String}, {after_id:String})
order by
    last_changed_at,
    kind,
    id
limit {limit:UInt64} offset {offset:UInt64}
