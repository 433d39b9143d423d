insert into bronze.rejected_rows (load_id, dataset, row_number, line_number, line, column_name, reason)
with judged as (

    select
        _row_number,
        _line_number,
        trimRight(_line, '\n') as line,
        $unfit as unfit
    from bronze.$incoming

)

select
    {load_id:String},
    {dataset:String},
    _row_number,
    _line_number,
    line,
    unfit.1,
    unfit.2
from judged
where unfit.2 != ''
