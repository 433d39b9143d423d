create unlogged table points as
select
    address_id,
    st_transform(st_setsrid(st_makepoint(longitude, latitude), 4326), 990001) as geometry
from points_received;

-- A table per kind, each with its index: an index over all kinds would be searched past the facilities of the others.
create unlogged table facilities (facility_id text, facility_kind text, geometry geometry) partition by list (facility_kind);

do $$
declare kind text;
begin
    for kind in select distinct facility_kind from facilities_received loop
        execute format('create unlogged table facilities_%s partition of facilities for values in (%L)', kind, kind);
    end loop;
end $$;

insert into facilities
select
    facility_id,
    facility_kind,
    st_transform(st_setsrid(st_makepoint(longitude, latitude), 4326), 990001) as geometry
from facilities_received;

create index facilities_geometry on facilities using gist (geometry);

analyze points;

analyze facilities;
