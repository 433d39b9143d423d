with source as (

    select * from {{ source('cartulary', 'extractions') }}

),

final as (

    select
        extraction_id,
        letter_id,
        extractor,
        extractor_version,
        model,
        outcome,
        sender_name,
        street,
        housenumber,
        postcode,
        city,
        letter_date,
        language,
        facility_kind,
        text,
        street_score,
        city_score,
        agreement_score,
        sender_score,
        is_fallback,
        problem,
        started_at,
        finished_at,
        _ingested_at
    from source
    order by _ingested_at asc
    limit 1 by letter_id, extraction_id

)

select * from final
