select
    coverage.area_code as area_code,
    coverage.facility_kind as facility_kind,
    coverage.area_name as area_name,
    areas.level as level,
    coverage.population as population,
    coverage.address_point_count as address_point_count,
    coverage.covered_address_point_count as covered_address_point_count,
    coverage.coverage_share as coverage_share,
    coverage.covered_population as covered_population,
    coverage.median_distance_km as median_distance_km,
    areas.geometry_wkt as geometry
from gold.mart_coverage_by_area as coverage
inner join gold.dim_areas as areas on coverage.area_code = areas.area_code
