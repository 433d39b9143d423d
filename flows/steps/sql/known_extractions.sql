select letter_id
from bronze.extractions
where letter_id in {letter_ids:Array(String)}
  and extraction_id in {extraction_ids:Array(String)}
