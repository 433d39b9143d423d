-- One row per request with its exact position, the newest first.
with
    source as (
        select
            request_id,
            channel,
            state,
            ifNull(facility_kind, '') as facility_kind,
            requested_on,
            language,
            precision,
            longitude,
            latitude,
            uncertainty_m,
            ifNull(area_code, '') as area_code,
            area_codes,
            h3ToString(h3_cell) as h3_cell,
            nearest_facility_id,
            nearest_facility_distance_km,
            evidence_score,
            is_corrected,
            received_at,
            located_at
        from gold.fct_requests
    )

select * except (area_codes)
from source
where
    (
        {has_after:UInt8} = 0
        or (received_at, request_id) < (fromUnixTimestamp64Milli({after_received_at:Int64}, 'UTC'), {after_request_id:String})
    )
    and ({state:String} = '' or state = {state:String})
    and ({channel:String} = '' or channel = {channel:String})
    and ({facility_kind:String} = '' or facility_kind = {facility_kind:String})
    and ({area_code:String} = '' or has(area_codes, {area_code:String}))
    and (
        {has_bbox:UInt8} = 0
        or (longitude between {west:Float64} and {east:Float64} and latitude between {south:Float64} and {north:Float64})
    )
order by received_at desc, request_id desc
limit {limit:UInt64} offset {offset:UInt64}
