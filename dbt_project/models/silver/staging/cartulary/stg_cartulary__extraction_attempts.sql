with source as (

    select * from {{ source('cartulary', 'extraction_attempts') }}

),

final as (

    select
        attempt_id,
        extraction_id,
        letter_id,
        run_id,
        requested_model,
        returned_model,
        prompt_version,
        outcome,
        is_cached,
        input_tokens,
        output_tokens,
        cost,
        latency_ms,
        started_at,
        _ingested_at
    from source
    order by _ingested_at asc
    limit 1 by letter_id, extraction_id, attempt_id

)

select * from final
