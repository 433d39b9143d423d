-- One row per H3 cell with at least 5 requests, with its hexagon as GeoJSON text.
with
    cells as (
        select
            h3_cell,
            resolution,
            longitude,
            latitude,
            request_count
        from gold.mart_requests_by_cell
    )

select
    h3_cell,
    resolution,
    longitude,
    latitude,
    request_count,
    if(
        {with_geometry:UInt8} = 0,
        '',
        concat(
            '{"type":"Polygon","coordinates":[',
            toJSONString(
                arrayMap(
                    corner -> [corner.2, corner.1],
                    arrayPushBack(h3ToGeoBoundary(stringToH3(h3_cell)), h3ToGeoBoundary(stringToH3(h3_cell))[1])
                )
            ),
            ']}'
        )
    ) as geometry
from cells
where
    ({has_after:UInt8} = 0 or h3_cell > {after_h3_cell:String})
    and (
        {has_bbox:UInt8} = 0
        or (longitude between {west:Float64} and {east:Float64} and latitude between {south:Float64} and {north:Float64})
    )
order by h3_cell
limit {limit:UInt64} offset {offset:UInt64}
