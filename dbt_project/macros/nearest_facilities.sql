{#-
  The facilities that can be the nearest of their kind for a point in a cell, without comparing all with all; `points` is a relation
  with longitude, latitude and h3_cell (resolution 9), and with facility_kind where a point asks for one kind only. Columns: cell (one that
  holds a point), facility_kind, and facility_ids, longitudes, latitudes in the order of facility_id.

  Points and facilities are grouped into H3 cells, and each cell gets a circle around its centre that holds its members: for points
  that of the corners of resolution 9, and of these circles for coarser cells; for facilities the smallest one around the
  facilities themselves. So children that stick out of their parent do not matter. By the
  triangle inequality the distance between a point and a facility differs from that of the two centres by at most the sum of
  both radii. Going down from resolution 0 to 8, a pair of cells is kept only while its smallest possible distance does not exceed the
  largest possible distance of the best pair, so the true nearest facility is never dropped; what is left are the facilities of
  a few cells around each cell of points. In the last step these are measured from the centre of each cell of resolution 9: one that
  is farther from it than the nearest one by more than twice its radius is nearest to no point in it.

  Both bounds are widened by a millionth and by a metre, far more than what rounding can do.
-#}
{% macro nearest_candidates(points, has_kind=false) %}
{%- set resolutions = [0, 2, 4, 6, 8] -%}
with points as (

    select
        {{ 'facility_kind,' if has_kind }}
        h3_cell as cell_9
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

occupied as (

    select distinct
        {{ 'facility_kind,' if has_kind }}
        cell_9 as cell
    from points

),

-- From the corners and not from the points: of those only the cell is read, as often as there are resolutions.
point_cells_9 as (

    select
        {{ 'facility_kind,' if has_kind }}
        cell,
        h3ToGeo(cell) as centre,
        arrayMax(corner -> {{ great_circle_km('centre.2', 'centre.1', 'corner.2', 'corner.1') }}, h3ToGeoBoundary(cell)) as radius_km
    from occupied

),
{% for resolution in resolutions %}
point_cells_{{ resolution }} as (

    select
        {{ 'finer.facility_kind as facility_kind,' if has_kind }}
        h3ToParent(finer.cell, {{ resolution }}) as cell,
        any(h3ToGeo(h3ToParent(finer.cell, {{ resolution }}))) as centre,
        max(
            {{ great_circle_km('h3ToGeo(h3ToParent(finer.cell, ' ~ resolution ~ ')).2', 'h3ToGeo(h3ToParent(finer.cell, ' ~ resolution ~ ')).1', 'finer.centre.2', 'finer.centre.1') }}
            + finer.radius_km
        ) as radius_km
    from point_cells_9 as finer
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
around as (

    -- The facilities around each cell of resolution 8, in the order in which the lowest facility_id comes first.
    select
        kept.cell as cell,
        kept.facility_kind as facility_kind,
        arraySort(groupArray((facilities.facility_id, facilities.facility_longitude, facilities.facility_latitude))) as found
    from kept_8 as kept
    inner join facilities on kept.facility_cell = facilities.cell_8 and kept.facility_kind = facilities.facility_kind
    group by cell, facility_kind

),

compared_9 as (

    select
        point_cells.cell as cell,
        around.facility_kind as facility_kind,
        around.found as found,
        arrayMap(
            place -> {{ great_circle_km('point_cells.centre.2', 'point_cells.centre.1', 'place.2', 'place.3') }},
            around.found
        ) as distances_km,
        arrayMin(distances_km) * 1.000002 + 2 * (point_cells.radius_km + 0.001) as reach_km
    from point_cells_9 as point_cells
    inner join around
        on h3ToParent(point_cells.cell, 8) = around.cell{{ ' and point_cells.facility_kind = around.facility_kind' if has_kind }}

),

final as (

    -- About three on average.
    select
        cell,
        facility_kind,
        arrayFilter((place, distance_km) -> distance_km <= reach_km, found, distances_km) as kept,
        kept.1 as facility_ids,
        kept.2 as longitudes,
        kept.3 as latitudes
    from compared_9

)

select
    cell,
    facility_kind,
    facility_ids,
    longitudes,
    latitudes
from final
{% endmacro %}

{#-
  The nearest facility of each kind for many points: those of `candidates` (a relation or a subquery, from nearest_candidates of the
  same points) are measured one by one. Columns: key, facility_kind, facility_id, distance_km. Distances are kept to the millimetre; of
  several nearest the lowest facility_id counts.
-#}
{% macro nearest_facilities(points, key, candidates, has_kind=false) %}
with points as (

    select
        {{ key }},
        {{ 'facility_kind,' if has_kind }}
        assumeNotNull(longitude) as point_longitude,
        assumeNotNull(latitude) as point_latitude,
        h3_cell as cell_9
    from {{ points }}
    where longitude is not null and latitude is not null

),

candidates as (

    select * from {{ candidates }}

),

measured as (

    select
        points.{{ key }} as {{ key }},
        candidates.facility_kind as facility_kind,
        candidates.facility_ids as facility_ids,
        arrayMap(
            (facility_longitude, facility_latitude) -> round({{ great_circle_km('points.point_longitude', 'points.point_latitude', 'facility_longitude', 'facility_latitude') }}, 6),
            candidates.longitudes,
            candidates.latitudes
        ) as distances_km,
        arrayMin(distances_km) as distance_km
    from points
    inner join candidates on points.cell_9 = candidates.cell{{ ' and points.facility_kind = candidates.facility_kind' if has_kind }}

)

select
    {{ key }},
    facility_kind,
    facility_ids[indexOf(distances_km, distance_km)] as facility_id,
    distance_km
from measured
{% endmacro %}
