select max(generation) as generation
from bronze.loads
where dataset = {dataset:String}
