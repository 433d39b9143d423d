select
    countIf($condition) as unreadable,
    anyIf($column, $condition) as example
from bronze.$table
where _load_id = {load_id:String}
