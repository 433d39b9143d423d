-- One row per thing to place: letters by their newest extraction, submissions as typed, corrections over what was read or typed: all since
-- the last reopen up to the one that is placed, later ones over earlier ones (the rule of silver.int_corrections__latest).
with
asked as (
    select
        correction_id,
        subject_kind,
        subject_id,
        tuple(corrected_at, correction_id) as asked_at
    from bronze.corrections
    where correction_id in {correction_ids:Array(String)}
    limit 1 by correction_id
),

decisions as (
    select
        subject_id,
        tuple(corrected_at, correction_id) as decided,
        action,
        street,
        housenumber,
        postcode,
        city
    from bronze.corrections
    where subject_id in (select subject_id from asked)
),

until_asked as (
    select
        asked.correction_id as correction_id,
        asked.subject_kind as subject_kind,
        asked.subject_id as subject_id,
        decisions.decided as decided,
        decisions.street as street,
        decisions.housenumber as housenumber,
        decisions.postcode as postcode,
        decisions.city as city,
        maxIf(decisions.decided, decisions.action = 'reopen') over (partition by asked.correction_id) as reopened
    from asked
    inner join decisions on asked.subject_id = decisions.subject_id
    where decisions.decided <= asked.asked_at
),

corrections as (
    select
        correction_id,
        subject_kind,
        subject_id,
        argMaxIf(until_asked.street, decided, decided > reopened and until_asked.street is not null) as street,
        argMaxIf(until_asked.housenumber, decided, decided > reopened and until_asked.housenumber is not null) as housenumber,
        argMaxIf(until_asked.postcode, decided, decided > reopened and until_asked.postcode is not null) as postcode,
        argMaxIf(until_asked.city, decided, decided > reopened and until_asked.city is not null) as city
    from until_asked
    group by
        correction_id,
        subject_kind,
        subject_id
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
