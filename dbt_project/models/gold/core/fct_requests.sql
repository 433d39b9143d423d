{{ config(
    materialized='incremental',
    incremental_strategy='append',
    order_by='request_id',
    partition_by='cityHash64(request_id) % 16',
    pre_hook="{{ forget_changed('request_id', changed_requests()) }}",
) }}

with requests as (

    select * from {{ ref('int_requests__changed') }}
    where state in ('located', 'approximate')

),

places as (

    select * from {{ ref('int_requests__placed') }}

),

nearest as (

    select * from {{ ref('int_requests__nearest_facilities') }}

),

final as (

    select
        cast(requests.request_id as String) as request_id,
        cast(requests.channel as LowCardinality(String)) as channel,
        cast(requests.state as LowCardinality(String)) as state,
        cast(requests.facility_kind as LowCardinality(String)) as facility_kind,
        cast(requests.requested_on as Date32) as requested_on,
        cast(requests.language as LowCardinality(String)) as language,
        cast(requests.precision as LowCardinality(String)) as precision,
        cast(places.longitude as Float64) as longitude,
        cast(places.latitude as Float64) as latitude,
        cast(requests.uncertainty_m as Nullable(Float64)) as uncertainty_m,
        cast(places.area_code as String) as area_code,
        cast(places.area_codes as Array(String)) as area_codes,
        cast(places.h3_cell as UInt64) as h3_cell,
        cast(nearest.facility_id as Nullable(String)) as nearest_facility_id,
        cast(nearest.distance_km as Nullable(Float64)) as nearest_facility_distance_km,
        cast(requests.evidence_score as Nullable(Float64)) as evidence_score,
        cast(requests.is_corrected as Bool) as is_corrected,
        cast(requests.received_at as DateTime64(3, 'UTC')) as received_at,
        cast(requests.located_at as DateTime64(3, 'UTC')) as located_at,
        cast(requests._ingested_at as DateTime64(3, 'UTC')) as _ingested_at
    from requests
    inner join places on requests.request_id = places.request_id
    left join nearest on requests.request_id = nearest.request_id

)

select * from final
