select geometry_wkt
from gold.dim_areas
where level = (select min(level) from gold.dim_areas)
order by area_code
