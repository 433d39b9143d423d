create table gold.dim_areas engine = MergeTree order by area_code as
with corners as (

    -- Squares of a grid with 50 corners on each side, so that together they are one land.
    select
        number as area_number,
        9 + 0.02 * (number % 25) as x,
        47 + 0.02 * intDiv(number, 25) as y,
        arrayMap(
            step -> (
                round(x + 0.02 * [step % 50 / 50, 1, 1 - step % 50 / 50, 0][intDiv(step, 50) + 1], 7),
                round(y + 0.02 * [0, step % 50 / 50, 1, 1 - step % 50 / 50][intDiv(step, 50) + 1], 7)
            ),
            range(200)
        ) as ring
    from numbers(500)

)

select
    concat('area-', toString(area_number)) as area_code,
    concat('Area ', toString(area_number)) as area_name,
    toUInt8(8) as level,
    '' as parent_code,
    cast(1000 + area_number as Nullable(UInt64)) as population,
    toUInt64(500) as address_point_count,
    2.5 as area_km2,
    concat(
        'MULTIPOLYGON (((',
        arrayStringConcat(arrayMap(corner -> concat(toString(corner.1), ' ', toString(corner.2)), arrayPushBack(ring, ring[1])), ', '),
        ')))'
    ) as geometry_wkt
from corners;

create table gold.dim_facilities engine = MergeTree order by facility_id as
select
    concat('node/', toString(number)) as facility_id,
    concat('Facility ', toString(number)) as facility_name,
    cast(['pharmacy', 'school', 'bus_stop', 'library', 'post_office'][number % 5 + 1] as LowCardinality(String)) as facility_kind,
    concat('Street ', toString(number % 400)) as street,
    toString(number % 90) as housenumber,
    '7001' as postcode,
    'Lindenau' as city,
    9 + 0.5 * (sipHash64(number, 'x') / 18446744073709551615) as longitude,
    47 + 0.4 * (sipHash64(number, 'y') / 18446744073709551615) as latitude,
    concat('area-', toString(intDiv(toUInt32((latitude - 47) * 1000), 20) * 25 + intDiv(toUInt32((longitude - 9) * 1000), 20))) as area_code
from numbers({facilities:UInt64});

create table gold.mart_facility_catchments engine = MergeTree order by facility_id as
select
    facility_id,
    facility_kind,
    facility_name,
    toUInt64(100) as address_point_count,
    cast(0.5 as Nullable(Float64)) as mean_distance_km,
    cast(1.5 as Nullable(Float64)) as max_distance_km
from gold.dim_facilities;

create table gold.mart_coverage_by_area engine = MergeTree order by (area_code, facility_kind) as
select
    areas.area_code as area_code,
    areas.area_name as area_name,
    kinds.facility_kind as facility_kind,
    areas.address_point_count as address_point_count,
    toUInt64(areas.address_point_count / 2) as covered_address_point_count,
    cast(0.5 as Nullable(Float64)) as coverage_share,
    cast(areas.population * 0.5 as Nullable(Float64)) as covered_population,
    areas.population as population,
    cast(0.7 as Nullable(Float64)) as median_distance_km
from gold.dim_areas as areas
cross join (select distinct facility_kind from gold.dim_facilities) as kinds;

create table gold.fct_requests engine = MergeTree order by request_id as
select
    lower(hex(SHA256(toString(number)))) as request_id,
    cast(['letter', 'web', 'phone'][number % 3 + 1] as LowCardinality(String)) as channel,
    cast(if(number % 5 = 0, 'approximate', 'located') as LowCardinality(String)) as state,
    cast(['pharmacy', 'school', 'bus_stop', 'library', 'post_office'][number % 5 + 1] as LowCardinality(String)) as facility_kind,
    toDate32('2025-01-01') + number % 365 as requested_on,
    cast(if(number % 5 = 0, 'street', 'house') as LowCardinality(String)) as precision,
    9 + 0.5 * (sipHash64(number, 'x') / 18446744073709551615) as longitude,
    47 + 0.4 * (sipHash64(number, 'y') / 18446744073709551615) as latitude,
    cast(10 as Nullable(Float64)) as uncertainty_m,
    concat('area-', toString(number % 500)) as area_code,
    geoToH3(latitude, longitude, 9) as h3_cell,
    cast(concat('node/', toString(number % {facilities:UInt64})) as Nullable(String)) as nearest_facility_id,
    cast(round((number % 3000) / 1000, 3) as Nullable(Float64)) as nearest_facility_distance_km,
    cast(number % 100 as Nullable(Float64)) as evidence_score
from numbers({requests:UInt64});

create table gold.mart_requests_by_cell engine = MergeTree order by h3_cell as
select
    h3ToString(h3ToParent(h3_cell, 8)) as h3_cell,
    toUInt8(8) as resolution,
    h3ToGeo(stringToH3(h3_cell)).2 as longitude,
    h3ToGeo(stringToH3(h3_cell)).1 as latitude,
    count() as request_count
from gold.fct_requests
group by h3_cell
having request_count >= 5
