-- One row per kind of facility: within which distance it covers a point, and how it counts in the proximity score.
select
    facility_kind,
    label,
    weight,
    distance_km,
    max_distance_km,
    facility_count
from gold.dim_facility_kinds
order by facility_kind
