{{ config(
    materialized='table',
    order_by='address_id',
    tags=['reference'],
) }}

-- depends_on: {{ ref('int_areas__polygon_index') }}
with points as (

    select
        address_id,
        assumeNotNull(longitude) as point_longitude,
        assumeNotNull(latitude) as point_latitude
    from {{ ref('stg_address_points__address_points') }}
    where longitude is not null and latitude is not null

),

final as (

    select
        address_id,
        point_longitude as longitude,
        point_latitude as latitude,
        {{ areas_around('point_longitude', 'point_latitude') }} as area_codes,
        if(empty(area_codes), '', area_codes[-1]) as area_code,
        geoToH3(point_latitude, point_longitude, 9) as h3_cell
    from points

)

select * from final
