{{ config(
    materialized='table',
    order_by='(resolution, facility_kind, cell)',
    tags=['reference'],
) }}

with facilities as (

    select
        facility_id,
        facility_kind,
        longitude,
        latitude,
        geoToH3(latitude, longitude, 8) as cell_8
    from {{ ref('stg_facilities__facilities') }}
    where longitude is not null and latitude is not null

),

parents as (

    select
        facility_id,
        facility_kind,
        assumeNotNull(longitude) as facility_longitude,
        assumeNotNull(latitude) as facility_latitude,
        arrayJoin([0, 2, 4, 6, 8]::Array(UInt8)) as resolution,
        if(resolution = 8, assumeNotNull(cell_8), h3ToParent(assumeNotNull(cell_8), resolution)) as cell
    from facilities

),

centred as (

    select
        *,
        h3ToGeo(cell) as centre,
        {{ great_circle_km('centre.2', 'centre.1', 'facility_longitude', 'facility_latitude') }} as distance_km
    from parents

),

final as (

    select
        resolution,
        facility_kind,
        cell,
        if(resolution = 0, 0, h3ToParent(cell, toUInt8(greatest(resolution, 2) - 2))) as parent_cell,
        any(centre.2) as longitude,
        any(centre.1) as latitude,
        max(distance_km) as radius_km,
        count() as facility_count
    from centred
    group by resolution, facility_kind, cell

)

select * from final
