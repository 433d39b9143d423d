-- Where evidence and corrections put each letter of the list at this moment.
select
    request_id as letter_id,
    state,
    reason,
    precision,
    longitude,
    latitude
from silver.int_requests__located
where request_id in {letter_ids:Array(String)}
