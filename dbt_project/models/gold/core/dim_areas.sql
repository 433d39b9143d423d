{{ config(order_by='area_code', tags=['reference']) }}

with areas as (

    select * from {{ ref('stg_areas__areas') }}

),

polygons as (

    select
        area_code,
        level,
        polygons,
        arrayFlatten(polygons) as outlines
    from {{ ref('int_areas__polygons') }}

),

points as (

    select
        arrayJoin(area_codes) as area_code,
        count() as address_point_count
    from {{ ref('int_address_points__located') }}
    group by area_code

),

final as (

    select
        areas.area_code as area_code,
        coalesce(areas.area_name, '') as area_name,
        coalesce(polygons.level, 0) as level,
        coalesce(areas.parent_code, '') as parent_code,
        areas.population as population,
        coalesce(points.address_point_count, 0) as address_point_count,
        -- The function answers for the unit sphere, with a sign that depends on which way round the ring goes; the outline counts
        -- once more than all rings together, which leaves it minus its holes.
        6371 * 6371 * arraySum(
            polygon -> 2 * abs(polygonAreaSpherical([polygon[1]])) - arraySum(ring -> abs(polygonAreaSpherical([ring])), polygon),
            polygons.polygons
        ) as area_km2,
        -- wkt() rounds to 6 digits, which are metres.
        concat(
            'MULTIPOLYGON (',
            arrayStringConcat(
                arrayMap(
                    polygon -> concat(
                        '(',
                        arrayStringConcat(
                            arrayMap(
                                ring -> concat(
                                    '(',
                                    arrayStringConcat(arrayMap(point -> concat(toString(point.1), ' ', toString(point.2)), ring), ', '),
                                    ')'
                                ),
                                polygon
                            ),
                            ', '
                        ),
                        ')'
                    ),
                    polygons.polygons
                ),
                ', '
            ),
            ')'
        ) as geometry_wkt,
        concat(
            '{"type":"MultiPolygon","coordinates":',
            toJSONString(
                arrayMap(polygon -> arrayMap(ring -> arrayMap(point -> [point.1, point.2], ring), polygon), polygons.polygons)
            ),
            '}'
        ) as geometry_geojson,
        arrayMin(arrayMap(point -> point.1, polygons.outlines)) as min_longitude,
        arrayMin(arrayMap(point -> point.2, polygons.outlines)) as min_latitude,
        arrayMax(arrayMap(point -> point.1, polygons.outlines)) as max_longitude,
        arrayMax(arrayMap(point -> point.2, polygons.outlines)) as max_latitude
    from areas
    inner join polygons on areas.area_code = polygons.area_code
    left join points on areas.area_code = points.area_code

)

select
    cast(area_code as String) as area_code,
    cast(area_name as String) as area_name,
    cast(level as UInt8) as level,
    cast(parent_code as String) as parent_code,
    cast(population as Nullable(UInt64)) as population,
    cast(address_point_count as UInt64) as address_point_count,
    cast(area_km2 as Float64) as area_km2,
    cast(geometry_wkt as String) as geometry_wkt,
    cast(geometry_geojson as String) as geometry_geojson,
    cast(min_longitude as Float64) as min_longitude,
    cast(min_latitude as Float64) as min_latitude,
    cast(max_longitude as Float64) as max_longitude,
    cast(max_latitude as Float64) as max_latitude
from final
