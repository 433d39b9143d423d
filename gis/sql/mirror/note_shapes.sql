insert into map_mirror.shapes (layer, facility_kind, shapes_hash)
values ('catchments', %(kind)s, %(hash)s)
on conflict (layer, facility_kind) do update set shapes_hash = excluded.shapes_hash, computed_at = excluded.computed_at
