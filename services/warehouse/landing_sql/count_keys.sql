select $counter(sipHash64($key)) as keys
from bronze.$table
where _load_id = {load_id:String}
