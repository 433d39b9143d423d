with source as (

    select * from {{ source('cartulary', 'uploads') }}

),

final as (

    select
        upload_id,
        purpose,
        dataset,
        file_name,
        media_type,
        byte_count,
        page_count,
        state,
        refusal_reason,
        door,
        received_at,
        _ingested_at
    from source
    -- The same bytes received twice are the same upload: what was stored wins over what was refused, then the first.
    order by state = 'stored' desc, received_at asc
    limit 1 by upload_id

)

select * from final
