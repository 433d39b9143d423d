create table if not exists bronze.{table} {on_cluster}
(
{columns}
    _row_number UInt64,
    _line_number UInt64,
    _line String,
    _column_name String,
    _reason String
)
engine = Memory;
