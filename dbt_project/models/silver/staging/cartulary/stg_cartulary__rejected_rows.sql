with source as (

    select * from {{ source('cartulary', 'rejected_rows') }}

),

final as (

    select
        load_id,
        dataset,
        row_number,
        line_number,
        column_name,
        reason,
        _ingested_at
    from source
    -- A row may break several rules; its first reason is the one that counts it.
    order by column_name asc, reason asc
    limit 1 by load_id, row_number

)

select * from final
