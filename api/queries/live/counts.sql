-- How much of each kind there is in bronze.
with
    counted as (
        select
            'uploads' as name,
            uniqExact(upload_id) as row_count
        from bronze.uploads
        where state = 'stored'
        union all
        select
            'refused' as name,
            count() as row_count
        from bronze.uploads
        where state = 'refused'
        union all
        select
            'letters' as name,
            uniqExact(letter_id) as row_count
        from bronze.letters
        union all
        select
            'read' as name,
            uniqExact(letter_id) as row_count
        from bronze.extractions
        union all
        select
            'submissions' as name,
            uniqExact(submission_id) as row_count
        from bronze.submissions
        union all
        select
            'corrections' as name,
            uniqExact(correction_id) as row_count
        from bronze.corrections
    )

select
    name,
    row_count
from counted
