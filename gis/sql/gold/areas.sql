select
    area_code,
    area_name,
    level,
    parent_code,
    population,
    address_point_count,
    round(area_km2, 9) as area_km2,
    geometry_wkt as geometry
from gold.dim_areas
