-- One row per thing to place: letters by their newest extraction, submissions as typed, corrections over what was read or typed.
with
corrections as (
    select *
    from bronze.corrections
    where correction_id in {correction_ids:Array(String)}
    limit 1 by correction_id
),

extractions as (
    select
        letter_id,
        argMax(tuple(extraction_id, outcome, street, housenumber, postcode, city), tuple(finished_at, extraction_id)) as newest
    from bronze.extractions
    where letter_id in (
        select arrayJoin({letter_ids:Array(String)})
        union all
        select subject_id from corrections where subject_kind = 'letter'
    )
    group by letter_id
),

submissions as (
    select *
    from bronze.submissions
    where submission_id in (
        select arrayJoin({submission_ids:Array(String)})
        union all
        select subject_id from corrections where subject_kind = 'submission'
    )
    limit 1 by submission_id
),

letters_to_place as (
    select
        concat('letter:', letter_id) as work_key,
        'letter' as subject_kind,
        letter_id as subject_id,
        newest.1 as extraction_id,
        '' as correction_id,
        newest.3 as street,
        newest.4 as housenumber,
        newest.5 as postcode,
        newest.6 as city
    from extractions
    where letter_id in {letter_ids:Array(String)} and newest.2 = 'read'
),

submissions_to_place as (
    select
        concat('submission:', submission_id) as work_key,
        'submission' as subject_kind,
        submission_id as subject_id,
        '' as extraction_id,
        '' as correction_id,
        street,
        housenumber,
        postcode,
        city
    from submissions
    where submission_id in {submission_ids:Array(String)}
),

corrections_to_place as (
    select
        concat('correction:', corrections.correction_id) as work_key,
        corrections.subject_kind as subject_kind,
        corrections.subject_id as subject_id,
        '' as extraction_id,
        corrections.correction_id as correction_id,
        coalesce(corrections.street, if(corrections.subject_kind = 'letter', extractions.newest.3, submissions.street)) as street,
        coalesce(corrections.housenumber, if(corrections.subject_kind = 'letter', extractions.newest.4, submissions.housenumber)) as housenumber,
        coalesce(corrections.postcode, if(corrections.subject_kind = 'letter', extractions.newest.5, submissions.postcode)) as postcode,
        coalesce(corrections.city, if(corrections.subject_kind = 'letter', extractions.newest.6, submissions.city)) as city
    from corrections
    left join extractions on extractions.letter_id = corrections.subject_id
    left join submissions on submissions.submission_id = corrections.subject_id
)

select * from letters_to_place
union all
select * from submissions_to_place
union all
select * from corrections_to_place
