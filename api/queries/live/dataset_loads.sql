-- The newest load of each dataset that succeeded, and how many there were.
with
    newest as (
        select
            dataset,
            load_id,
            upload_id,
            generation,
            state,
            landed_rows,
            rejected_rows,
            unknown_columns,
            finished_at
        from bronze.loads
        order by _ingested_at desc
        limit 1 by load_id
    )

select
    dataset,
    argMax(load_id, newest.generation) as load_id,
    argMax(upload_id, newest.generation) as upload_id,
    max(newest.generation) as generation,
    argMax(landed_rows, newest.generation) as landed_rows,
    argMax(rejected_rows, newest.generation) as rejected_rows,
    argMax(unknown_columns, newest.generation) as unknown_columns,
    argMax(finished_at, newest.generation) as loaded_at,
    count() as load_count
from newest
where state = 'loaded'
group by dataset
