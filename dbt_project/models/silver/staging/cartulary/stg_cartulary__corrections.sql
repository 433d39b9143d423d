with source as (

    select * from {{ source('cartulary', 'corrections') }}

),

final as (

    select
        correction_id,
        subject_kind,
        subject_id,
        action,
        sender_name,
        street,
        housenumber,
        postcode,
        city,
        letter_date,
        facility_kind,
        longitude,
        latitude,
        reviewer,
        note,
        corrected_at,
        _ingested_at
    from source
    order by _ingested_at asc
    limit 1 by subject_id, correction_id

)

select * from final
