with source as (

    select * from {{ loaded_rows('areas') }}

),

renamed as (

    select
        trim(area_code) as area_code,
        nullIf(trim(name), '') as area_name,
        toUInt64OrNull(trim(population)) as population,
        toUInt8OrNull(trim(level)) as level,
        nullIf(trim(parent_code), '') as parent_code,
        geometry,
        _generation,
        _ingested_at
    from source

)

select * from renamed
