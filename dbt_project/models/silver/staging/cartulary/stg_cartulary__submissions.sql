with source as (

    select * from {{ source('cartulary', 'submissions') }}

),

final as (

    select
        submission_id,
        channel,
        requester_name,
        contact,
        street,
        housenumber,
        postcode,
        city,
        facility_kind,
        message,
        longitude,
        latitude,
        received_at,
        _ingested_at
    from source
    order by received_at asc, _ingested_at asc
    limit 1 by submission_id

)

select * from final
