select count() as rejected
from bronze.rejected_rows
where load_id = {load_id:String}
