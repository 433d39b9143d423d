-- Letters and submissions, the newest first; a row that was registered twice counts once. Twice as many as asked for are taken
-- from each table before that, which spares sorting all of it.
with
    letters as (
        select
            'letter' as subject_kind,
            letter_id as subject_id,
            received_at
        from bronze.letters
        where
            {subject_kind:String} in ('', 'letter')
            and (
                {has_after:UInt8} = 0
                or (received_at, letter_id) < (fromUnixTimestamp64Milli({after_received_at:Int64}, 'UTC'), {after_subject_id:String})
            )
        order by received_at desc, subject_id desc
        limit 2 * ({limit:UInt64} + {offset:UInt64})
    ),

    submissions as (
        select
            'submission' as subject_kind,
            submission_id as subject_id,
            received_at
        from bronze.submissions
        where
            {subject_kind:String} in ('', 'submission')
            and (
                {has_after:UInt8} = 0
                or (received_at, submission_id) < (fromUnixTimestamp64Milli({after_received_at:Int64}, 'UTC'), {after_subject_id:String})
            )
        order by received_at desc, subject_id desc
        limit 2 * ({limit:UInt64} + {offset:UInt64})
    ),

    subjects as (
        select * from letters
        union all
        select * from submissions
    )

select distinct
    subject_kind,
    subject_id,
    received_at
from subjects
order by received_at desc, subject_id desc
limit {limit:UInt64} offset {offset:UInt64}
