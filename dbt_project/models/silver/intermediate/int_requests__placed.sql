{{ config(
    materialized='table',
    order_by='request_id',
) }}

-- depends_on: {{ ref('int_areas__polygon_index') }}
with requests as (

    select
        request_id,
        facility_kind,
        assumeNotNull(longitude) as point_longitude,
        assumeNotNull(latitude) as point_latitude
    from {{ ref('int_requests__changed') }}
    where state in ('located', 'approximate')

),

final as (

    select
        request_id,
        facility_kind,
        point_longitude as longitude,
        point_latitude as latitude,
        {{ areas_around('point_longitude', 'point_latitude') }} as area_codes,
        if(empty(area_codes), '', area_codes[-1]) as area_code,
        geoToH3(point_latitude, point_longitude, 9) as h3_cell
    from requests

)

select * from final
