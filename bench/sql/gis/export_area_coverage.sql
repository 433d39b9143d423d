select
    coverage.*,
    areas.level as level,
    areas.geometry_wkt as wkt
from gold.mart_coverage_by_area as coverage
inner join gold.dim_areas as areas on coverage.area_code = areas.area_code
