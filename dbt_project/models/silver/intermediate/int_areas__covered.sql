{{ config(
    materialized='table',
    order_by='(area_code, facility_kind)',
    tags=['reference'],
    query_settings={'join_use_nulls': 1},
) }}

with points as (

    select
        address_id,
        arrayJoin(area_codes) as area_code
    from {{ ref('int_address_points__located') }}

),

kinds as (

    select * from {{ ref('facility_kinds') }}

),

nearest as (

    select * from {{ ref('int_address_points__nearest_facilities') }}

),

counts as (

    select
        area_code,
        count() as address_point_count
    from points
    group by area_code

),

reached as (

    select
        points.area_code as area_code,
        nearest.facility_kind as facility_kind,
        countIf(nearest.distance_km <= kinds.distance_km) as covered_address_point_count,
        quantileExact(nearest.distance_km) as median_distance_km
    from nearest
    inner join points on nearest.address_id = points.address_id
    inner join kinds on nearest.facility_kind = kinds.facility_kind
    group by points.area_code, nearest.facility_kind

),

final as (

    select
        areas.area_code as area_code,
        kinds.facility_kind as facility_kind,
        coalesce(counts.address_point_count, 0) as address_point_count,
        coalesce(reached.covered_address_point_count, 0) as covered_address_point_count,
        reached.median_distance_km as median_distance_km
    from {{ ref('int_areas__polygons') }} as areas
    cross join kinds
    left join counts on areas.area_code = counts.area_code
    left join reached on areas.area_code = reached.area_code and kinds.facility_kind = reached.facility_kind

)

select * from final
