{{ config(order_by='facility_id', tags=['reference']) }}

-- depends_on: {{ ref('int_areas__polygon_index') }}
with facilities as (

    select
        * except (longitude, latitude),
        assumeNotNull(longitude) as longitude,
        assumeNotNull(latitude) as latitude
    from {{ ref('stg_facilities__facilities') }}
    where longitude is not null and latitude is not null

),

final as (

    select
        cast(facility_id as String) as facility_id,
        cast(coalesce(facility_name, '') as String) as facility_name,
        cast(facility_kind as LowCardinality(String)) as facility_kind,
        cast(coalesce(street, '') as String) as street,
        cast(coalesce(housenumber, '') as String) as housenumber,
        cast(coalesce(postcode, '') as String) as postcode,
        cast(coalesce(city, '') as String) as city,
        longitude,
        latitude,
        {{ areas_around('longitude', 'latitude') }} as area_codes,
        if(empty(area_codes), '', area_codes[-1]) as area_code
    from facilities

)

select
    facility_id,
    facility_name,
    facility_kind,
    street,
    housenumber,
    postcode,
    city,
    longitude,
    latitude,
    cast(area_code as String) as area_code
from final
