create unlogged table nearest as
select
    points.address_id,
    kinds.facility_kind,
    found.facility_id,
    found.distance_km
from points
cross join (select distinct facility_kind from facilities_received) as kinds
cross join lateral (
    select
        facility_id,
        (points.geometry <-> facilities.geometry) / 1000 as distance_km
    from facilities
    where facilities.facility_kind = kinds.facility_kind
    order by points.geometry <-> facilities.geometry
    limit 1
) as found
