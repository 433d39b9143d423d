-- One row per facility with the address points for which it is the nearest of its kind.
select
    facility_id,
    facility_kind,
    facility_name,
    longitude,
    latitude,
    address_point_count,
    mean_distance_km,
    max_distance_km,
    if(request_count < {least_count:UInt64}, null, request_count) as request_count
from gold.mart_facility_catchments
where
    ({has_after:UInt8} = 0 or facility_id > {after_facility_id:String})
    and ({facility_kind:String} = '' or facility_kind = {facility_kind:String})
    and (
        {has_bbox:UInt8} = 0
        or (longitude between {west:Float64} and {east:Float64} and latitude between {south:Float64} and {north:Float64})
    )
order by facility_id
limit {limit:UInt64} offset {offset:UInt64}
