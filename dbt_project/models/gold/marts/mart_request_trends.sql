{{ config(order_by='(month_date, area_code, facility_kind, channel)') }}

with requests as (

    select * from {{ ref('fct_requests') }}

),

final as (

    select
        makeDate32(toYear(requested_on), toMonth(requested_on), 1) as month_date,
        cast(area_code as String) as area_code,
        cast(facility_kind as LowCardinality(String)) as facility_kind,
        cast(channel as LowCardinality(String)) as channel,
        cast(count() as UInt64) as request_count
    from requests
    group by month_date, area_code, facility_kind, channel

)

select * from final
