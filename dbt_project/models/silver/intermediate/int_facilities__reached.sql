{{ config(
    materialized='table',
    order_by='facility_id',
    tags=['reference'],
) }}

with nearest as (

    select * from {{ ref('int_address_points__nearest_facilities') }}

),

final as (

    select
        facility_id,
        facility_kind,
        count() as address_point_count,
        avg(distance_km) as mean_distance_km,
        max(distance_km) as max_distance_km
    from nearest
    group by facility_id, facility_kind

)

select * from final
