{{ config(order_by='(facility_kind, need_rank)') }}

with coverage as (

    select * from {{ ref('mart_coverage_by_area') }}
    where coverage_share < 1

),

final as (

    select
        cast(area_code as String) as area_code,
        cast(area_name as String) as area_name,
        cast(facility_kind as LowCardinality(String)) as facility_kind,
        cast(coverage_share as Float64) as coverage_share,
        cast(population as Nullable(UInt64)) as population,
        cast((1 - coverage_share) * population as Nullable(Float64)) as uncovered_population,
        cast(request_count as UInt64) as request_count,
        cast(
            row_number() over (
                partition by facility_kind
                order by
                    coalesce((1 - coverage_share) * population, 0) desc,
                    request_count desc,
                    coverage_share asc,
                    area_code asc
            ) as UInt64
        ) as need_rank
    from coverage

)

select * from final
