with source as (

    select * from {{ loaded_rows('address_points') }}

),

renamed as (

    select
        trim(address_id) as address_id,
        nullIf(trim(street), '') as street,
        nullIf(trim(housenumber), '') as housenumber,
        nullIf(trim(postcode), '') as postcode,
        nullIf(trim(city), '') as city,
        toFloat64OrNull(trim(lon)) as longitude,
        toFloat64OrNull(trim(lat)) as latitude,
        _generation,
        _ingested_at
    from source

)

select * from renamed
