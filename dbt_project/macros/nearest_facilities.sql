{#-
  The nearest facility of each kind for many points, without comparing all with all; `points` is a relation with `key`, longitude and
  latitude, and with facility_kind where a point asks for one kind only. Columns: key, facility_kind, facility_id, distance_km.

  Points and facilities are grouped into H3 cells, and each cell gets the smallest circle around its centre that holds its members (radius
  from the members themselves, so neither the shape of the hexagons nor children that stick out of their parent matter). By the
  triangle inequality the distance between a point and a facility differs from that of the two centres by at most the sum of
  both radii. Going down from resolution 0 to 8, a pair of cells is kept only while its smallest possible distance does not exceed the
  largest possible distance of the best pair, so the true nearest facility is never dropped; what is left at the end are the
  rings of a few cells around each point, whose facilities are measured one by one. Distances are kept to the millimetre; of several nearest the lowest facility_id
  counts.

  Both bounds are widened by a millionth and by a metre, far more than what rounding can do.
-#}
{% macro nearest_facilities(points, key, has_kind=false) %}
{%- set resolutions = [0, 2, 4, 6, 8] -%}
with points as (

    select
        {{ key }},
        {{ 'facility_kind,' if has_kind }}
        assumeNotNull(longitude) as point_longitude,
        assumeNotNull(latitude) as point_latitude,
        assumeNotNull(geoToH3(latitude, longitude, 8)) as cell_8
    from {{ points }}
    where longitude is not null and latitude is not null

),

facilities as (

    select
        facility_id,
        facility_kind,
        assumeNotNull(longitude) as facility_longitude,
        assumeNotNull(latitude) as facility_latitude,
        assumeNotNull(geoToH3(latitude, longitude, 8)) as cell_8
    from {{ ref('stg_facilities__facilities') }}
    where longitude is not null and latitude is not null

),
{% for resolution in resolutions %}
point_cells_{{ resolution }} as (

    select
        {{ 'facility_kind,' if has_kind }}
        {{ 'cell_8' if resolution == 8 else 'h3ToParent(cell_8, ' ~ resolution ~ ')' }} as cell,
        any(h3ToGeo(cell)) as centre,
        max({{ great_circle_km('h3ToGeo(cell).2', 'h3ToGeo(cell).1', 'point_longitude', 'point_latitude') }}) as radius_km
    from points
    group by {{ 'facility_kind, ' if has_kind }}cell

),

compared_{{ resolution }} as (

    select
        point_cells.cell as cell,
        facility_cells.facility_kind as facility_kind,
        facility_cells.cell as facility_cell,
        {{ great_circle_km('point_cells.centre.2', 'point_cells.centre.1', 'facility_cells.longitude', 'facility_cells.latitude') }} as distance_km,
        point_cells.radius_km + facility_cells.radius_km + 0.001 as doubt_km
    {%- if resolution == 0 %}
    from point_cells_0 as point_cells
    {{ 'inner' if has_kind else 'cross' }} join {{ ref('int_facilities__cells') }} as facility_cells
        {{ 'on point_cells.facility_kind = facility_cells.facility_kind' if has_kind }}
    where facility_cells.resolution = 0
    {%- else %}
    from kept_{{ resolution - 2 }} as kept
    inner join point_cells_{{ resolution }} as point_cells
        on kept.cell = h3ToParent(point_cells.cell, {{ resolution - 2 }}){{ ' and kept.facility_kind = point_cells.facility_kind' if has_kind }}
    inner join {{ ref('int_facilities__cells') }} as facility_cells
        on kept.facility_cell = facility_cells.parent_cell and kept.facility_kind = facility_cells.facility_kind
    where facility_cells.resolution = {{ resolution }}
    {%- endif %}

),

bounded_{{ resolution }} as (

    select
        cell,
        facility_kind,
        groupArray((facility_cell, distance_km * 0.999999 - doubt_km)) as rings,
        min(distance_km * 1.000001 + doubt_km) as reach_km
    from compared_{{ resolution }}
    group by cell, facility_kind

),

kept_{{ resolution }} as (

    select
        cell,
        facility_kind,
        arrayJoin(arrayFilter(ring -> ring.2 <= reach_km, rings)).1 as facility_cell
    from bounded_{{ resolution }}

),
{% endfor %}
measured as (

    select
        points.{{ key }} as {{ key }},
        kept.facility_kind as facility_kind,
        facilities.facility_id as facility_id,
        round({{ great_circle_km('points.point_longitude', 'points.point_latitude', 'facilities.facility_longitude', 'facilities.facility_latitude') }}, 6) as distance_km
    from kept_8 as kept
    inner join points on kept.cell = points.cell_8{{ ' and kept.facility_kind = points.facility_kind' if has_kind }}
    inner join facilities on kept.facility_cell = facilities.cell_8 and kept.facility_kind = facilities.facility_kind

),

final as (

    select
        {{ key }},
        facility_kind,
        argMin((facility_id, distance_km), (distance_km, facility_id)) as nearest
    from measured
    group by {{ key }}, facility_kind

)

select
    {{ key }},
    facility_kind,
    nearest.1 as facility_id,
    nearest.2 as distance_km
from final
{% endmacro %}
