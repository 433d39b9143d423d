insert into bronze.$table ($columns, _load_id, _row_number)
select
    $values,
    {load_id:String},
    _row_number + 1
from file({path:String}, 'CSV', {structure:String}, 'none')
where $condition
