-- Every load of a dataset in its newest state.
with newest as (

    select
        load_id,
        any(upload_id) as upload,
        any(contract_version) as contract,
        any(mode) as load_mode,
        min(started_at) as began_at,
        any(asked_at) as wanted_at,
        max(generation) as newest_generation,
        argMax(
            (state, received_rows, landed_rows, rejected_rows, unknown_columns, message), (_ingested_at, state != 'started')
        ) as outcome
    from bronze.loads
    where dataset = {dataset:String}
    group by load_id

)

select
    load_id,
    upload as upload_id,
    contract as contract_version,
    load_mode as mode,
    began_at as started_at,
    wanted_at as asked_at,
    newest_generation as generation,
    outcome.1 as state,
    outcome.2 as received_rows,
    outcome.3 as landed_rows,
    outcome.4 as rejected_rows,
    outcome.5 as unknown_columns,
    outcome.6 as message
from newest
order by generation desc, started_at desc
