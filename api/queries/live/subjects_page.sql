-- Letters and submissions, the newest first; a row that was registered twice counts once.
with
    subjects as (
        select
            'letter' as subject_kind,
            letter_id as subject_id,
            received_at
        from bronze.letters
        where {subject_kind:String} in ('', 'letter')
        union all
        select
            'submission' as subject_kind,
            submission_id as subject_id,
            received_at
        from bronze.submissions
        where {subject_kind:String} in ('', 'submission')
    )

select distinct
    subject_kind,
    subject_id,
    received_at
from subjects
where
    {has_after:UInt8} = 0
    or (received_at, subject_id) < (fromUnixTimestamp64Milli({after_received_at:Int64}, 'UTC'), {after_subject_id:String})
order by received_at desc, subject_id desc
limit {limit:UInt64} offset {offset:UInt64}
