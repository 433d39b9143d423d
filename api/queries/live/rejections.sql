-- Rejected rows of a dataset, load by load.
select
    load_id,
    dataset,
    row_number,
    line_number,
    line,
    column_name,
    reason
from bronze.rejected_rows
where
    dataset = {dataset:String}
    and ({load_id:String} = '' or load_id = {load_id:String})
    and (
        {has_after:UInt8} = 0
        or (load_id, row_number, column_name, reason)
        > ({after_load_id:String}, {after_row_number:UInt64}, {after_column_name:String}, {after_reason:String})
    )
order by load_id, row_number, column_name, reason
limit 1 by load_id, row_number, column_name, reason
limit {limit:UInt64} offset {offset:UInt64}
