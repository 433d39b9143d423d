-- One row per bronze table that is read by models: how many rows it has, and its newest mutation (0 when it was only ever added to).
select
    table,
    sum(rows) as row_count,
    maxIf(data_version, data_version != min_block_number) as mutation
from system.parts
where database = 'bronze' and active and table not in ('schema_migrations', 'step_outcomes', 'build_journal')
group by table
order by table
