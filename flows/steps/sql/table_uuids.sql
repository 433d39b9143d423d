-- One row per table of gold and gold_next.
select
    database,
    name,
    toString(uuid) as uuid
from system.tables
where database in ('gold', 'gold_next')
