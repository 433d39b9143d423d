with merged as (

    insert into {table} ({columns})
    select {columns}
    from {incoming}
    on conflict ({key}) do update set {assignments}
    -- A row version that nobody has locked or replaced is a new row.
    returning (xmax = 0) as is_new

)

select
    count(*) filter (where is_new) as inserted,
    count(*) filter (where not is_new) as updated
from merged
