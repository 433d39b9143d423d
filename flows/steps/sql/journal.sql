-- One row per build, the newest first: how far it came.
select
    generation,
    argMax(state, _ingested_at) as last_state,
    argMax(fingerprint, _ingested_at) as fingerprint,
    argMax(seen_until, _ingested_at) as seen_until,
    argMax(inputs, _ingested_at) as inputs,
    argMax(tables, _ingested_at) as tables,
    argMax(public_row, _ingested_at) as public_row,
    argMax(started_at, _ingested_at) as started_at
from bronze.build_journal
group by generation
order by generation desc
limit 100
