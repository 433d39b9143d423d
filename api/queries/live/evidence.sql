-- What speaks for each letter of the list, part by part, and what follows from it.
select
    letter_id,
    extraction_id,
    geocode_id,
    is_schema_complete,
    is_postcode_city_agreeing,
    is_house_known,
    is_street_in_text,
    candidate_margin,
    reader_score,
    agreement_score,
    sender_score,
    street_similarity,
    evidence_score,
    state,
    precision,
    longitude,
    latitude,
    uncertainty_m,
    address_id,
    reason
from silver.int_letters__evidence
where letter_id in {ids:Array(String)}
