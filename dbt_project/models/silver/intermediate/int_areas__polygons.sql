{{ config(
    materialized='table',
    order_by='area_code',
    tags=['reference'],
    query_settings={'join_use_nulls': 1},
) }}

with areas as (

    select
        area_code,
        coalesce(parent_code, '') as parent_code,
        level,
        {{ multi_polygon('geometry') }} as polygons
    from {{ ref('stg_areas__areas') }}

),

-- Files without levels still say who belongs to whom: the level is then the number of steps to the top. Twelve steps are more than any
-- country has, and end a circle of parents.
ancestors as (

    with recursive steps as (

        select
            area_code,
            parent_code,
            toUInt8(0) as depth
        from areas
        union all
        select
            steps.area_code as area_code,
            areas.parent_code as parent_code,
            toUInt8(steps.depth + 1) as depth
        from steps
        inner join areas on steps.parent_code = areas.area_code
        where steps.parent_code != '' and steps.depth < 12

    )

    select
        area_code,
        max(depth) as depth
    from steps
    group by area_code

),

levelled as (

    select
        areas.area_code as area_code,
        toUInt8(coalesce(areas.level, ancestors.depth)) as level,
        areas.polygons as polygons
    from areas
    left join ancestors on areas.area_code = ancestors.area_code

),

layered as (

    select
        area_code,
        level,
        toUInt16(dense_rank() over (order by level asc) - 1) as layer,
        polygons
    from levelled

),

-- The index keeps Float32: degrees counted from the map's own corner are exact to centimetres where those from Greenwich are to half a
-- metre. Each layer lies one stride further east, so that no two layers touch.
extent as (

    select
        min(point.1) as origin_longitude,
        min(point.2) as origin_latitude,
        2 * (max(point.1) - min(point.1)) + 0.001 as stride
    from (
        select arrayJoin(arrayFlatten(polygons)) as point
        from levelled
    ) as corners

),

final as (

    select
        layered.area_code as area_code,
        layered.level as level,
        layered.layer as layer,
        layered.polygons as polygons,
        extent.origin_longitude as origin_longitude,
        extent.origin_latitude as origin_latitude,
        extent.stride as stride,
        arrayMap(
            polygon -> arrayMap(
                ring -> arrayMap(
                    point -> (point.1 - extent.origin_longitude + extent.stride * layered.layer, point.2 - extent.origin_latitude), ring
                ),
                polygon
            ),
            layered.polygons
        ) as shifted_polygons
    from layered
    cross join extent

)

select * from final
