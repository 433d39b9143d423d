-- One row per facility, ordered by its identifier.
select
    facility_id,
    facility_name,
    facility_kind,
    street,
    housenumber,
    postcode,
    city,
    longitude,
    latitude,
    ifNull(area_code, '') as area_code
from gold.dim_facilities
where
    ({has_after:UInt8} = 0 or facility_id > {after_facility_id:String})
    and ({facility_id:String} = '' or facility_id = {facility_id:String})
    and ({facility_kind:String} = '' or facility_kind = {facility_kind:String})
    and ({area_code:String} = '' or area_code = {area_code:String})
    and (
        {has_bbox:UInt8} = 0
        or (longitude between {west:Float64} and {east:Float64} and latitude between {south:Float64} and {north:Float64})
    )
order by facility_id
limit {limit:UInt64} offset {offset:UInt64}
