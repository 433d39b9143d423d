select distinct geocode_id
from bronze.geocodes
where subject_id in {subject_ids:Array(String)}
  and geocode_id in {geocode_ids:Array(String)}
