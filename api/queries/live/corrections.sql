-- All corrections of the list's subjects, the oldest first: the last one counts.
select
    correction_id,
    subject_kind,
    subject_id,
    action,
    sender_name,
    street,
    housenumber,
    postcode,
    city,
    letter_date,
    facility_kind,
    longitude,
    latitude,
    reviewer,
    note,
    corrected_at
from bronze.corrections
where subject_id in {ids:Array(String)}
order by corrected_at, correction_id
limit 1 by subject_id, correction_id
