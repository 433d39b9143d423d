-- The newest load of each upload of the list.
with
    newest as (
        select
            upload_id,
            load_id,
            dataset,
            mode,
            generation,
            state,
            received_rows,
            landed_rows,
            rejected_rows,
            unknown_columns,
            message,
            started_at,
            finished_at
        from bronze.loads
        where upload_id in {ids:Array(String)}
        order by _ingested_at desc
        limit 1 by load_id
    )

select *
from newest
order by started_at desc, load_id desc
limit 1 by upload_id
