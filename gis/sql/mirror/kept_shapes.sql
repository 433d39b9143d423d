-- The polygons of a kind as the mirror has them, when they were computed from these facilities and this land.
select
    catchments.facility_id,
    st_asewkb(catchments.geometry) as geometry
from public_map.catchments as catchments
inner join map_mirror.shapes as shapes on catchments.facility_kind = shapes.facility_kind
where
    shapes.layer = 'catchments'
    and shapes.facility_kind = %(kind)s
    and shapes.shapes_hash = %(hash)s
    -- What this transaction computed is not merged yet.
    and shapes.computed_at < now()
