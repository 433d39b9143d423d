with source as (

    select * from {{ source('cartulary', 'letters') }}

),

final as (

    select
        letter_id,
        pages,
        file_name,
        door,
        received_at,
        _ingested_at
    from source
    order by received_at asc, _ingested_at asc
    limit 1 by letter_id

)

select * from final
