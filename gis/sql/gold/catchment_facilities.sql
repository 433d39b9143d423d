select
    facility_id,
    facility_kind,
    longitude,
    latitude
from gold.dim_facilities
where has({kinds:Array(String)}, facility_kind)
order by facility_kind, facility_id
