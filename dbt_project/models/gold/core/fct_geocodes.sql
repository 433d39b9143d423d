{{ config(
    materialized='incremental',
    incremental_strategy='append',
    order_by='(subject_id, geocode_id)',
    partition_by='cityHash64(subject_id) % 16',
    pre_hook="{{ forget_changed('subject_id', changed_requests()) }}",
) }}

with geocodes as (

    select * from {{ ref('stg_cartulary__geocodes') }}
    where subject_id in (select changed.request_id from {{ ref('int_requests__changed') }} as changed)

),

final as (

    select
        cast(geocode_id as String) as geocode_id,
        cast(subject_kind as LowCardinality(String)) as subject_kind,
        cast(subject_id as String) as subject_id,
        cast(extraction_id as String) as extraction_id,
        cast(correction_id as String) as correction_id,
        cast(geocoder as LowCardinality(String)) as geocoder,
        cast(geocoder_version as LowCardinality(String)) as geocoder_version,
        cast(register_generation as UInt64) as register_generation,
        cast(precision as LowCardinality(String)) as precision,
        cast(address_id as String) as address_id,
        cast(uncertainty_m as Nullable(Float64)) as uncertainty_m,
        cast(street_similarity as Float64) as street_similarity,
        cast(city_similarity as Float64) as city_similarity,
        cast(candidate_margin as Float64) as candidate_margin,
        cast(is_provisional as Bool) as is_provisional,
        cast(geocoded_at as DateTime64(3, 'UTC')) as geocoded_at,
        cast(_ingested_at as DateTime64(3, 'UTC')) as _ingested_at
    from geocodes

)

select * from final
