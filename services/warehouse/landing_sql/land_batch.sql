insert into bronze.$table ($columns, _load_id, _row_number)
select
    $values,
    {load_id:String},
    _row_number
from bronze.$incoming
where $unfit.2 = ''
