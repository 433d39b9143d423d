-- Different keys of the rows of these loads, estimated.
select uniqCombined64($key) as rows
from bronze.$table
where _load_id in {load_ids:Array(String)}
