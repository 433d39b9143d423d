{{ config(
    materialized='incremental',
    incremental_strategy='append',
    order_by='(letter_id, extraction_id)',
    partition_by='cityHash64(letter_id) % 16',
    pre_hook="{{ forget_changed('letter_id', changed_requests()) }}",
) }}

with letters as (

    select * from {{ ref('int_requests__changed') }}
    where subject_kind = 'letter'

),

extractions as (

    select * from {{ ref('stg_cartulary__extractions') }}
    where letter_id in (select letters.request_id from letters)

),

attempts as (

    select
        letter_id,
        extraction_id,
        count() as attempt_count,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost) as cost
    from {{ ref('stg_cartulary__extraction_attempts') }}
    where letter_id in (select letters.request_id from letters)
    group by letter_id, extraction_id

),

latest as (

    select
        letter_id,
        extraction_id
    from {{ ref('int_letters__latest_extractions') }}
    where letter_id in (select letters.request_id from letters)

),

final as (

    select
        cast(extractions.extraction_id as String) as extraction_id,
        cast(extractions.letter_id as String) as letter_id,
        cast(extractions.extractor as LowCardinality(String)) as extractor,
        cast(extractions.extractor_version as LowCardinality(String)) as extractor_version,
        cast(extractions.model as LowCardinality(String)) as model,
        cast(extractions.is_fallback = 1 as Bool) as is_fallback,
        cast(extractions.problem as LowCardinality(String)) as problem,
        cast(coalesce(attempts.attempt_count, 0) as UInt64) as attempt_count,
        cast(coalesce(attempts.input_tokens, 0) as UInt64) as input_tokens,
        cast(coalesce(attempts.output_tokens, 0) as UInt64) as output_tokens,
        cast(round(coalesce(attempts.cost, 0), 9) as Float64) as cost,
        cast(extractions.outcome as LowCardinality(String)) as outcome,
        cast(extractions.language as LowCardinality(String)) as language,
        cast(extractions.facility_kind as LowCardinality(String)) as facility_kind,
        cast(extractions.street_score as Float64) as street_score,
        cast(extractions.city_score as Float64) as city_score,
        cast(extractions.agreement_score as Float64) as agreement_score,
        cast(extractions.sender_score as Float64) as sender_score,
        cast(latest.extraction_id is not null as Bool) as is_latest,
        cast(if(latest.extraction_id is null, '', letters.state) as LowCardinality(String)) as letter_state,
        cast(extractions.started_at as DateTime64(3, 'UTC')) as started_at,
        cast(extractions.finished_at as DateTime64(3, 'UTC')) as finished_at,
        cast(extractions._ingested_at as DateTime64(3, 'UTC')) as _ingested_at
    from extractions
    inner join letters on extractions.letter_id = letters.request_id
    left join attempts on extractions.letter_id = attempts.letter_id and extractions.extraction_id = attempts.extraction_id
    left join latest on extractions.letter_id = latest.letter_id and extractions.extraction_id = latest.extraction_id

)

select * from final
