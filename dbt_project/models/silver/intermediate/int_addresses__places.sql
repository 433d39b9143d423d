{{ config(
    materialized='table',
    order_by='(city_key, postcode_key)',
    tags=['reference'],
) }}

with addresses as (

    select * from {{ ref('int_addresses__normalized') }}

),

final as (

    select
        addresses.city_key as city_key,
        addresses.postcode_key as postcode_key,
        ocrSkeleton(city_key) as city_skeleton,
        any(addresses.city) as city,
        any(addresses.postcode) as postcode,
        count() as address_count,
        avg(addresses.longitude) as longitude,
        avg(addresses.latitude) as latitude,
        geoDistance(min(addresses.longitude), min(addresses.latitude), max(addresses.longitude), max(addresses.latitude)) / 2 as radius_m
    from addresses
    group by city_key, postcode_key, city_skeleton

)

select * from final
