with source as (

    select * from {{ source('cartulary', 'loads') }}

),

final as (

    select
        load_id,
        upload_id,
        dataset,
        contract_version,
        mode,
        generation,
        state,
        received_rows,
        landed_rows,
        rejected_rows,
        message,
        started_at,
        finished_at,
        _ingested_at
    from source
    order by _ingested_at desc, state = 'started' asc
    limit 1 by load_id

)

select * from final
