{{ config(order_by='address_id', tags=['reference']) }}

with points as (

    select * from {{ ref('int_address_points__located') }}

),

nearest as (

    select * from {{ ref('int_address_points__nearest_facilities') }}

),

kinds as (

    select * from {{ ref('facility_kinds') }}

),

earned as (

    select
        nearest.address_id as address_id,
        sum(kinds.weight * greatest(0, 1 - nearest.distance_km / kinds.max_distance_km)) as earned_weight
    from nearest
    inner join kinds on nearest.facility_kind = kinds.facility_kind
    group by nearest.address_id

),

final as (

    select
        cast(points.address_id as String) as address_id,
        cast(points.longitude as Float64) as longitude,
        cast(points.latitude as Float64) as latitude,
        cast(points.area_code as String) as area_code,
        cast(points.h3_cell as UInt64) as h3_cell,
        -- A kind without any facility has no row in earned and still counts in the whole.
        cast(
            100 * coalesce(earned.earned_weight, 0) / assumeNotNull((select sum(weight) from {{ ref('facility_kinds') }})) as Float64
        ) as proximity_score
    from points
    left join earned on points.address_id = earned.address_id

)

select * from final
