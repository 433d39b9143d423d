-- The newest extraction of each letter of the list.
select
    letter_id,
    extraction_id,
    extractor,
    model,
    outcome,
    sender_name,
    street,
    housenumber,
    postcode,
    city,
    letter_date,
    language,
    facility_kind,
    street_score,
    city_score,
    agreement_score,
    sender_score,
    address_page,
    address_box,
    page_rotations,
    started_at,
    finished_at
from bronze.extractions
where letter_id in {ids:Array(String)}
order by finished_at desc, extraction_id desc
limit 1 by letter_id
