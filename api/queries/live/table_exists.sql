select count() as table_count
from system.tables
where database = {database:String} and name = {name:String}
