-- Letters in which something could be read.
select uniqExact(letter_id) as letter_count
from bronze.extractions
where outcome = 'read'
