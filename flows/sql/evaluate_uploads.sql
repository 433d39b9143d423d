-- What became of each upload of the list at the door, and the letter that it belongs to.
with
    received as (
        select
            upload_id,
            argMax(state, received_at) as state,
            argMax(refusal_reason, received_at) as refusal_reason
        from bronze.uploads
        where upload_id in {upload_ids:Array(String)}
        group by upload_id
    ),

    letters as (
        select
            arrayJoin(pages.upload_id) as upload_id,
            min(letter_id) as letter_id
        from bronze.letters
        where hasAny(pages.upload_id, {upload_ids:Array(String)})
        group by upload_id
    )

select
    received.upload_id as upload_id,
    received.state as state,
    received.refusal_reason as refusal_reason,
    letters.letter_id as letter_id
from received
left join letters on received.upload_id = letters.upload_id
