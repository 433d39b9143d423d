with source as (

    select * from {{ loaded_rows('facilities') }}

),

renamed as (

    select
        trim(facility_id) as facility_id,
        nullIf(trim(name), '') as facility_name,
        replaceRegexpAll(lower(trim(kind)), '[ -]+', '_') as facility_kind,
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
