with cells as (

    select
        h3_cell,
        resolution,
        request_count,
        longitude as centre,
        arrayMap(
            -- A cell on the date line is drawn on the side of its centre, as far as 180 degrees.
            corner -> (greatest(-180, least(180, corner.2 - 360 * round((corner.2 - centre) / 360))), corner.1),
            h3ToGeoBoundary(stringToH3(h3_cell))
        ) as corners
    from gold.mart_requests_by_cell

)

select
    h3_cell,
    resolution,
    request_count,
    concat(
        'POLYGON ((',
        arrayStringConcat(arrayMap(corner -> concat(toString(corner.1), ' ', toString(corner.2)), arrayPushBack(corners, corners[1])), ', '),
        '))'
    ) as geometry
from cells
