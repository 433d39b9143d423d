create table if not exists bronze.schema_migrations {on_cluster}
(
    name String,
    applied_at DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {engine}
order by name;
