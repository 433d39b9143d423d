select
    name,
    toString(uuid) as version
from system.tables
where database = 'gold' and name not in ('builds')
order by name
