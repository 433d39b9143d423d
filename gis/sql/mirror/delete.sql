-- What is gone from gold; a row that only changed stays, for the upsert. Where somebody moved a row meanwhile, its hash says so.
delete from {table} as target
using {gone} as gone
where
    target.ctid = gone.place
    and target.row_hash = gone.row_hash
    and not exists (
        select 1
        from {incoming} as incoming
        where ({incoming_key}) = ({target_key})
    )
