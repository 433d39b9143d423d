-- One row per submission of the list, as it was received.
select
    submission_id,
    channel,
    requester_name,
    street,
    housenumber,
    postcode,
    city,
    facility_kind,
    message,
    longitude,
    latitude,
    received_at,
    _ingested_at as registered_at
from bronze.submissions
where submission_id in {ids:Array(String)}
order by _ingested_at
limit 1 by submission_id
