-- A header is read as a row and passed over: with input_format_csv_skip_first_lines, _row_number is wrong from the second chunk on.
insert into bronze.$table ($columns, _load_id, _row_number)
select
    $values,
    {load_id:String},
    _row_number + 1 - {header_rows:UInt64}
from file({path:String}, 'CSV', {structure:String}, 'none')
where _row_number >= {header_rows:UInt64} and $condition
