{{ config(order_by='(extractor, model, language)') }}

with extractions as (

    select * from {{ ref('fct_extractions') }}
    where is_latest

),

final as (

    select
        extractor,
        model,
        language,
        cast(count() as UInt64) as letter_count,
        cast(countIf(outcome = 'read') as UInt64) as read_count,
        cast(countIf(outcome = 'unreadable') as UInt64) as unreadable_count,
        cast(countIf(outcome = 'failed') as UInt64) as failed_count,
        cast(countIf(is_fallback) / letter_count as Float64) as fallback_share,
        cast(sum(attempt_count) as UInt64) as model_question_count,
        cast(round(sum(cost), 9) as Float64) as model_cost,
        cast(if(read_count = 0, null, round(sumIf(street_score, outcome = 'read') / read_count, 9)) as Nullable(Float64)) as mean_street_score,
        cast(countIf(letter_state = 'located') / letter_count as Float64) as located_share,
        cast(countIf(letter_state = 'review') / letter_count as Float64) as review_share
    from extractions
    group by extractor, model, language

)

select * from final
