{{ config(
    materialized='table',
    order_by='(city_key, postcode_key, street_key, accented_key)',
    tags=['reference'],
) }}

with addresses as (

    select * from {{ ref('int_addresses__normalized') }}

),

final as (

    select
        addresses.city_key as city_key,
        addresses.postcode_key as postcode_key,
        addresses.street_key as street_key,
        addresses.accented_key as accented_key,
        foldUmlauts(street_key) as folded_key,
        ocrSkeleton(street_key) as skeleton,
        any(addresses.street) as street,
        any(addresses.city) as city,
        any(addresses.postcode) as postcode,
        avg(addresses.longitude) as longitude,
        avg(addresses.latitude) as latitude,
        geoDistance(min(addresses.longitude), min(addresses.latitude), max(addresses.longitude), max(addresses.latitude)) / 2 as radius_m
    from addresses
    group by city_key, postcode_key, street_key, accented_key, folded_key, skeleton

)

select * from final
