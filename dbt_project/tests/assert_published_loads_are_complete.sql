-- Landed and rejected rows of every load that readers see add up to what was received, and each rejected row is kept with its reason.
select load_id
from {{ ref('fct_loads') }}
where state = 'loaded' and (landed_rows + rejected_rows != received_rows or explained_row_count != rejected_rows)
