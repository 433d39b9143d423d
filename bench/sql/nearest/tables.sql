-- Distances in metres on the sphere that H3 uses, around the middle of the map.
insert into spatial_ref_sys (srid, proj4text)
values (990001, '+proj=aeqd +lat_0=47.2 +lon_0=9.25 +R=6371007.180918475 +units=m +no_defs');

create unlogged table points_received (address_id text, longitude float8, latitude float8);

create unlogged table facilities_received (facility_id text, facility_kind text, longitude float8, latitude float8);
