-- What was received and has no result yet: the work that a rebuilt bronze needs again, whatever the queue remembers.
select
    'extract' as kind,
    letter_id as key
from bronze.letters
where letter_id not in (select letter_id from bronze.extractions)
union all
select
    'geocode' as kind,
    concat('letter:', letter_id) as key
from bronze.letters
where
    letter_id in (select letter_id from bronze.extractions where outcome = 'read')
    and letter_id not in (select subject_id from bronze.geocodes where subject_kind = 'letter' and correction_id = '')
union all
select
    'geocode' as kind,
    concat('submission:', submission_id) as key
from bronze.submissions
where
    (street != '' or postcode != '' or city != '')
    and submission_id not in (select subject_id from bronze.geocodes where subject_kind = 'submission' and correction_id = '')
union all
select
    'geocode' as kind,
    concat('correction:', correction_id) as key
from bronze.corrections
where
    action = 'correct'
    and (isNotNull(street) or isNotNull(housenumber) or isNotNull(postcode) or isNotNull(city))
    and correction_id not in (select correction_id from bronze.geocodes)
