-- One row per area, ordered by its code.
select
    area_code,
    area_name,
    ifNull(level, 0) as level,
    ifNull(parent_code, '') as parent_code,
    population,
    address_point_count,
    area_km2,
    min_longitude,
    min_latitude,
    max_longitude,
    max_latitude,
    multiIf({with_geometry:UInt8} = 1, geometry_geojson, {with_geometry:UInt8} = 2, geometry_wkt, '') as geometry
from gold.dim_areas
where
    ({has_after:UInt8} = 0 or area_code > {after_area_code:String})
    and ({level:Int16} < 0 or ifNull(level, 0) = {level:Int16})
    and ({parent_code:String} = '' or parent_code = {parent_code:String})
    and ({area_code:String} = '' or area_code = {area_code:String})
    and (
        {has_bbox:UInt8} = 0
        or (
            min_longitude <= {east:Float64} and max_longitude >= {west:Float64}
            and min_latitude <= {north:Float64} and max_latitude >= {south:Float64}
        )
    )
order by area_code
limit {limit:UInt64} offset {offset:UInt64}
