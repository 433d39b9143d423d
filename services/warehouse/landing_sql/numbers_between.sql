select _row_number
from bronze.$table
where _load_id = {load_id:String} and _row_number >= {first:UInt64} and _row_number < {end:UInt64}
order by _row_number
