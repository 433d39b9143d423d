{{ config(
    materialized='incremental',
    incremental_strategy='append',
    order_by='upload_id',
    partition_by='cityHash64(upload_id) % 16',
    pre_hook="{{ forget_changed('upload_id', changed_uploads()) }}",
) }}

with uploads as (

    select * from {{ ref('stg_cartulary__uploads') }}
    {% if is_incremental() %}where upload_id in ({{ changed_uploads() }}){% endif %}

),

loads as (

    select
        upload_id,
        argMax(state, (started_at, load_id)) as state,
        argMax(landed_rows, (started_at, load_id)) as landed_rows,
        argMax(rejected_rows, (started_at, load_id)) as rejected_rows
    from {{ ref('stg_cartulary__loads') }}
    {% if is_incremental() %}where upload_id in ({{ changed_uploads() }}){% endif %}
    group by upload_id

),

pages as (

    select
        letter_id,
        arrayJoin(arrayDistinct(arrayMap(page -> page.1, pages))) as upload_id
    from {{ ref('stg_cartulary__letters') }}
    {% if is_incremental() %}where letter_id in ({{ changed_requests() }}){% endif %}

),

states as (

    select
        letter_id,
        cast(letter_state as String) as letter_state
    from {{ ref('fct_extractions') }}
    where is_latest {% if is_incremental() %}and letter_id in ({{ changed_requests() }}){% endif %}

),

letters as (

    select
        pages.upload_id as upload_id,
        max(states.letter_state) as letter_state
    from pages
    inner join states on pages.letter_id = states.letter_id
    group by pages.upload_id

),

final as (

    select
        cast(uploads.upload_id as String) as upload_id,
        cast(uploads.purpose as LowCardinality(String)) as purpose,
        cast(uploads.dataset as LowCardinality(String)) as dataset,
        -- People call a scan after who sent it.
        cast(if(uploads.purpose = 'dataset', uploads.file_name, '') as String) as file_name,
        cast(
            if(uploads.state = 'refused', 'refused', coalesce(letters.letter_state, loads.state, uploads.state)) as LowCardinality(String)
        ) as state,
        cast(coalesce(loads.landed_rows, 0) as UInt64) as landed_rows,
        cast(coalesce(loads.rejected_rows, 0) as UInt64) as rejected_rows,
        cast(uploads.received_at as DateTime64(3, 'UTC')) as received_at
    from uploads
    left join loads on uploads.upload_id = loads.upload_id
    left join letters on uploads.upload_id = letters.upload_id

)

select * from final
