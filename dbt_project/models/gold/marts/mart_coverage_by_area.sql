{{ config(order_by='(area_code, facility_kind)') }}

with coverage as (

    select * from {{ ref('int_areas__covered') }}

),

areas as (

    select
        area_code,
        area_name,
        population
    from {{ ref('dim_areas') }}

),

requests as (

    select
        arrayJoin(area_codes) as area_code,
        facility_kind,
        count() as request_count
    from {{ ref('fct_requests') }}
    group by area_code, facility_kind

),

shared as (

    select
        coverage.area_code as area_code,
        areas.area_name as area_name,
        coverage.facility_kind as facility_kind,
        coverage.address_point_count as address_point_count,
        coverage.covered_address_point_count as covered_address_point_count,
        -- Below 20 address points one house more or less would move the share by more than 5 points: too little to say anything.
        if(
            coverage.address_point_count >= 20,
            coverage.covered_address_point_count / coverage.address_point_count,
            null
        ) as coverage_share,
        areas.population as population,
        coalesce(requests.request_count, 0) as request_count,
        coverage.median_distance_km as median_distance_km
    from coverage
    inner join areas on coverage.area_code = areas.area_code
    left join requests on coverage.area_code = requests.area_code and coverage.facility_kind = requests.facility_kind

),

final as (

    select
        cast(area_code as String) as area_code,
        cast(area_name as String) as area_name,
        cast(facility_kind as LowCardinality(String)) as facility_kind,
        cast(address_point_count as UInt64) as address_point_count,
        cast(covered_address_point_count as UInt64) as covered_address_point_count,
        cast(coverage_share as Nullable(Float64)) as coverage_share,
        cast(coverage_share * population as Nullable(Float64)) as covered_population,
        cast(population as Nullable(UInt64)) as population,
        cast(request_count as UInt64) as request_count,
        cast(median_distance_km as Nullable(Float64)) as median_distance_km
    from shared

)

select * from final
