with source as (

    select * from {{ loaded_rows('$dataset') }}

),

renamed as (

    select
$columns
        _load_id,
        _row_number,
        _ingested_at
    from source

)

select * from renamed
