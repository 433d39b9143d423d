-- One row per area and facility kind, the greatest need first.
select
    need_rank,
    area_code,
    area_name,
    facility_kind,
    coverage_share,
    population,
    uncovered_population,
    if(request_count < {least_count:UInt64}, null, request_count) as request_count
from gold.mart_underserved_areas
where
    (
        {has_after:UInt8} = 0
        or (need_rank, area_code, facility_kind) > ({after_need_rank:UInt64}, {after_area_code:String}, {after_facility_kind:String})
    )
    and ({facility_kind:String} = '' or facility_kind = {facility_kind:String})
order by need_rank, area_code, facility_kind
limit {limit:UInt64} offset {offset:UInt64}
