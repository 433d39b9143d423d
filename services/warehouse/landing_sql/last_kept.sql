with kept as (

    select row_number
    from bronze.rejected_rows
    where load_id = {load_id:String}
    order by row_number
    limit {count:UInt64}

)

select max(row_number) as last
from kept
