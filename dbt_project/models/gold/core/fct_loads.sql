{{ config(order_by='(dataset, load_id)') }}

with loads as (

    select * from {{ ref('stg_cartulary__loads') }}

),

rejections as (

    select
        load_id,
        count() as explained_row_count
    from {{ ref('stg_cartulary__rejected_rows') }}
    group by load_id

),

final as (

    select
        cast(loads.load_id as String) as load_id,
        cast(loads.upload_id as String) as upload_id,
        cast(loads.dataset as LowCardinality(String)) as dataset,
        cast(loads.contract_version as String) as contract_version,
        cast(loads.mode as LowCardinality(String)) as mode,
        cast(loads.generation as UInt64) as generation,
        cast(loads.state as LowCardinality(String)) as state,
        cast(loads.received_rows as UInt64) as received_rows,
        cast(loads.landed_rows as UInt64) as landed_rows,
        cast(loads.rejected_rows as UInt64) as rejected_rows,
        cast(coalesce(rejections.explained_row_count, 0) as UInt64) as explained_row_count,
        cast(loads.started_at as DateTime64(3, 'UTC')) as started_at,
        cast(loads.finished_at as Nullable(DateTime64(3, 'UTC'))) as finished_at
    from loads
    left join rejections on loads.load_id = rejections.load_id

)

select * from final
