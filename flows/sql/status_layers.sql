select
    database as layer,
    name as table_name,
    total_rows as row_count
from system.tables
where database in ('bronze', 'silver', 'gold') and total_rows is not null and name != 'schema_migrations'
order by indexOf(['bronze', 'silver', 'gold'], database), name
