-- One row per letter: where its bytes are and how many pages it has.
with
letters as (
    select
        letter_id,
        any(pages) as letter_pages
    from bronze.letters
    where letter_id in {letter_ids:Array(String)}
    group by letter_id
),

uploads as (
    select
        upload_id,
        argMax(object_key, received_at) as object_key,
        argMax(media_type, received_at) as media_type
    from bronze.uploads
    where upload_id in (select letter_pages[1].1 from letters) and state = 'stored'
    group by upload_id
)

select
    letters.letter_id as letter_id,
    uploads.object_key as object_key,
    uploads.media_type as media_type,
    length(letters.letter_pages) as page_count
from letters
inner join uploads on uploads.upload_id = letters.letter_pages[1].1
