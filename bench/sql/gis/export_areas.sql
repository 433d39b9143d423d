select
    * except (geometry_wkt),
    geometry_wkt as wkt
from gold.dim_areas
