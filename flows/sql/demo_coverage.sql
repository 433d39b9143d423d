-- Coverage of every area for some kinds of facility, quarters after their municipality.
select
    coverage.area_code as area_code,
    coverage.area_name as area_name,
    areas.level as level,
    coverage.population as population,
    coverage.facility_kind as facility_kind,
    coverage.coverage_share as coverage_share
from gold.mart_coverage_by_area as coverage
inner join gold.dim_areas as areas on coverage.area_code = areas.area_code
where coverage.facility_kind in {facility_kinds:Array(String)}
order by area_code, facility_kind
