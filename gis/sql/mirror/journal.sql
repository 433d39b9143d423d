create schema if not exists map_mirror;

comment on schema map_mirror is 'What Cartulary remembers about the map mirror; for its owner only.';

create table if not exists map_mirror.state (
    is_only boolean primary key default true check (is_only),
    gold_version text not null,
    published_version text not null default '',
    unpublished text[] not null,
    run_id text not null,
    synced_at timestamptz not null
);

comment on table map_mirror.state is 'Which gold the mirror shows, and which layers changed since GeoServer was told. One row.';

create table if not exists map_mirror.shapes (
    layer text not null,
    facility_kind text not null,
    shapes_hash bigint not null,
    computed_at timestamptz not null default now(),
    primary key (layer, facility_kind)
);

comment on table map_mirror.shapes is 'From which facilities and which land the catchments of a kind were computed. One row per layer and kind.';

create table if not exists map_mirror.problems (
    layer text not null,
    key text not null,
    problem text not null,
    is_left_out boolean not null,
    row_hash bigint not null,
    found_at timestamptz not null default now(),
    primary key (layer, key)
);

comment on table map_mirror.problems is 'Rows of gold whose geometry was repaired or that cannot be shown. One row per layer and key.';
