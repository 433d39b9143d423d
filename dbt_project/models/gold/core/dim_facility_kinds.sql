{{ config(order_by='facility_kind', tags=['reference']) }}

with kinds as (

    select * from {{ ref('facility_kinds') }}

),

facilities as (

    select
        facility_kind,
        count() as facility_count
    from {{ ref('dim_facilities') }}
    group by facility_kind

),

final as (

    select
        kinds.facility_kind as facility_kind,
        kinds.label as label,
        kinds.weight as weight,
        kinds.distance_km as distance_km,
        kinds.max_distance_km as max_distance_km,
        cast(coalesce(facilities.facility_count, 0) as UInt64) as facility_count
    from kinds
    left join facilities on kinds.facility_kind = facilities.facility_kind

)

select * from final
