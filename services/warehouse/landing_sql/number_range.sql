with numbers as (

    select _row_number as number
    from bronze.$table
    where _load_id = {load_id:String}
    union all
    select row_number as number
    from bronze.rejected_rows
    where load_id = {load_id:String}

)

select
    count() as rows,
    min(number) as first,
    max(number) as last,
    sum(number) as total
from numbers
