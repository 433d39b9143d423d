{{ config(order_by='facility_id') }}

with facilities as (

    select * from {{ ref('dim_facilities') }}

),

reached as (

    select * from {{ ref('int_facilities__reached') }}

),

requests as (

    select
        nearest_facility_id as facility_id,
        count() as request_count
    from {{ ref('fct_requests') }}
    where nearest_facility_id is not null
    group by nearest_facility_id

),

final as (

    select
        cast(facilities.facility_id as String) as facility_id,
        cast(facilities.facility_kind as LowCardinality(String)) as facility_kind,
        cast(facilities.facility_name as String) as facility_name,
        cast(facilities.longitude as Float64) as longitude,
        cast(facilities.latitude as Float64) as latitude,
        cast(coalesce(reached.address_point_count, 0) as UInt64) as address_point_count,
        cast(reached.mean_distance_km as Nullable(Float64)) as mean_distance_km,
        cast(reached.max_distance_km as Nullable(Float64)) as max_distance_km,
        cast(coalesce(requests.request_count, 0) as UInt64) as request_count
    from facilities
    left join reached on facilities.facility_id = reached.facility_id
    left join requests on facilities.facility_id = requests.facility_id

)

select * from final
