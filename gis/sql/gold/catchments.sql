-- A polygon depends on all facilities of its kind and on the land: their hash is a column, so that it counts in the row's hash.
with places as (

    select
        facility_kind,
        groupBitXor(sipHash64(facility_id, longitude, latitude)) as places_hash
    from gold.dim_facilities
    group by facility_kind

),

land as (

    select groupBitXor(sipHash64(area_code, geometry_wkt)) as land_hash
    from gold.dim_areas
    where level = (select min(level) from gold.dim_areas)

)

select
    catchments.facility_id as facility_id,
    catchments.facility_name as facility_name,
    catchments.facility_kind as facility_kind,
    catchments.address_point_count as address_point_count,
    -- Sums of floats depend on the order of threads in their last digits; these are micrometres.
    round(catchments.mean_distance_km, 9) as mean_distance_km,
    catchments.max_distance_km as max_distance_km,
    reinterpretAsInt64(bitXor(places.places_hash, land.land_hash)) as shapes_hash
from gold.mart_facility_catchments as catchments
inner join places on catchments.facility_kind = places.facility_kind
cross join land
