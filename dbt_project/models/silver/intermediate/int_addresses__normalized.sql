{{ config(
    materialized='table',
    order_by='(city_key, street_key, housenumber_key, address_id)',
    tags=['reference'],
) }}

with points as (

    select
        address_id,
        coalesce(street, '') as street,
        coalesce(housenumber, '') as housenumber,
        coalesce(postcode, '') as postcode,
        coalesce(city, '') as city,
        assumeNotNull(longitude) as longitude,
        assumeNotNull(latitude) as latitude,
        _generation
    from {{ ref('stg_address_points__address_points') }}
    where longitude is not null and latitude is not null

),

final as (

    select
        address_id,
        street,
        housenumber,
        postcode,
        city,
        longitude,
        latitude,
        -- Places without streets number their houses by the town's name.
        normalizeStreet(if(street = '', city, street)) as street_key,
        normalizeStreetAccented(if(street = '', city, street)) as accented_key,
        normalizeHousenumber(housenumber) as housenumber_key,
        normalizePostcode(postcode) as postcode_key,
        normalizeCity(city) as city_key,
        toUInt64(_generation) as register_generation
    from points

)

select * from final
