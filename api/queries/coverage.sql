-- One row per area and facility kind; the share is null where there are too few address points to say, the requests where there are
-- fewer than may be shown.
select
    area_code,
    area_name,
    facility_kind,
    address_point_count,
    covered_address_point_count,
    coverage_share,
    covered_population,
    population,
    if(request_count < {least_count:UInt64}, null, request_count) as request_count,
    median_distance_km
from gold.mart_coverage_by_area
where
    ({has_after:UInt8} = 0 or (area_code, facility_kind) > ({after_area_code:String}, {after_facility_kind:String}))
    and ({area_code:String} = '' or area_code = {area_code:String})
    and ({facility_kind:String} = '' or facility_kind = {facility_kind:String})
order by area_code, facility_kind
limit {limit:UInt64} offset {offset:UInt64}
