select uniqExact(letter_id) as letter_count
from bronze.letters
where letter_id not in (select letter_id from bronze.extractions)
