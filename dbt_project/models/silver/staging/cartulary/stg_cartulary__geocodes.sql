with source as (

    select * from {{ source('cartulary', 'geocodes') }}

),

final as (

    select
        geocode_id,
        subject_kind,
        subject_id,
        extraction_id,
        correction_id,
        geocoder,
        geocoder_version,
        register_generation,
        query_street,
        query_housenumber,
        query_postcode,
        query_city,
        precision,
        address_id,
        matched_street,
        matched_housenumber,
        matched_postcode,
        matched_city,
        longitude,
        latitude,
        uncertainty_m,
        street_similarity,
        street_edits,
        city_similarity,
        is_postcode_equal,
        is_housenumber_equal,
        candidate_margin,
        candidates,
        is_provisional,
        geocoded_at,
        _ingested_at
    from source
    order by _ingested_at asc
    limit 1 by subject_id, geocode_id

)

select * from final
